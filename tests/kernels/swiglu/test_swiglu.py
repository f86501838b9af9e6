import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.swiglu.cpu import LANES, swiglu
from lessons.kernels.swiglu.reference import swiglu as reference
from lessons.kernels.tools.jit import njit


@njit("void(int64, int64, int64)")
def run(gate, up, out):
    swiglu(gate, up, out)


def gated(gate, up):
    gate, up = (np.broadcast_to(np.float32(x), LANES).copy() for x in (gate, up))
    out = np.full(LANES, np.nan, np.float32)
    run(gate.ctypes.data, up.ctypes.data, out.ctypes.data)
    return out


@pytest.mark.parametrize("gate, up, expected", [(0, 5, 0), (50, 2, 100), (np.log(3), 4, 3 * np.log(3))])
def test_the_reference_is_a_half_of_the_gate_at_zero_and_all_of_it_far_above(gate, up, expected):
    np.testing.assert_allclose(reference(np.array([gate]), np.array([up])), expected, rtol=1e-15)


@given(seed=st.integers(0, 999), scale=st.floats(1e-3, 30))
def test_it_agrees_with_float64(seed, scale):
    gate, up = (scale * np.random.default_rng(seed).standard_normal((2, LANES))).astype(np.float32)
    # An exponential within two units in the last place, and four roundings. Below 2^-125 it is 0.
    np.testing.assert_allclose(gated(gate, up), reference(gate, up), rtol=6 * 2.0**-23, atol=1e-33)


@pytest.mark.parametrize("gate, expected", [(-3e38, 0), (-np.inf, np.nan), (3e38, 3e38), (np.nan, np.nan)])
def test_far_gates_close_or_open_and_nothing_overflows(gate, expected):
    assert np.array_equal(gated(gate, 1), np.full(LANES, expected, np.float32), equal_nan=True)
