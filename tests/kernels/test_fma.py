import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels import simd
from lessons.kernels.fma import CHAINS, flop, fma
from lessons.kernels.fma.reference import total


def lanes(dtype):
    return simd.vector_bytes() // {"float32": 4, "float64": 8}[dtype]


@given(st.sampled_from(["float32", "float64"]), st.integers(0, 60), st.integers(1, 4))
def test_every_lane_of_every_chain_is_computed(dtype, rounds, threads):
    error = 1e-6 if dtype == "float32" else 1e-14
    expected = total(rounds, lanes(dtype), threads)
    assert fma(dtype, rounds, threads=threads) == pytest.approx(expected, rel=error)


def test_the_loop_is_not_left_out():
    # Ten halvings change the sum by far more than the error of the test above allows.
    assert abs(fma("float64", 0) - fma("float64", 10)) > 1e-4 * fma("float64", 0)


def test_a_multiply_add_counts_as_two():
    for dtype in ("float32", "float64"):
        assert flop(dtype, 10) == 2 * CHAINS * lanes(dtype) * 10
        assert flop(dtype, 10, threads=3) == 3 * flop(dtype, 10)
    assert flop("float32", 1) == 2 * flop("float64", 1)


@pytest.mark.parametrize("dtype", ["int8", "float16", "bfloat16"])
def test_another_dtype_is_refused(dtype):
    with pytest.raises(ValueError, match=f"'{dtype}'; use float32 or float64"):
        fma(dtype, 1)
