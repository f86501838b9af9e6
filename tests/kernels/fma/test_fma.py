import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.fma import flop, fma
from lessons.kernels.fma.cpu import BYTES_FACTOR, BYTES_START
from lessons.kernels.fma.reference import CHAINS, total, total_of_bytes
from lessons.kernels.packed import int8
from lessons.kernels.tools import simd


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


@given(st.integers(0, 60), st.integers(1, 4))
def test_bytes_are_multiplied_and_added_exactly(rounds, threads):
    lanes = int8.choose(int8.ISAS).lanes
    expected = total_of_bytes(rounds, lanes, BYTES_FACTOR, BYTES_START, threads)
    assert fma("int8", rounds, threads=threads) == expected
    assert flop("int8", rounds, threads=threads) == 2 * CHAINS * 4 * lanes * rounds * threads


@pytest.mark.parametrize("dtype", ["int4", "float16", "bfloat16"])
def test_another_dtype_is_refused(dtype):
    with pytest.raises(ValueError, match=f"'{dtype}' on cpu; use float32 or float64 or int8"):
        fma(dtype, 1)


def test_bytes_are_refused_on_a_device():
    with pytest.raises(ValueError, match="'int8' on cuda; use float32 or float64"):
        fma("int8", 1, device="cuda")
