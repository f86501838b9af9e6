import numpy as np
import pytest

from lessons.kernels.jit import njit
from lessons.kernels.product import TILE
from lessons.kernels.rotary import rotate


@njit("void(int64, int64, int64)")
def run(source, turns, target):
    rotate(source, turns, target)


@pytest.mark.parametrize("in_place", [False, True])
def test_it_is_the_product_of_complex_numbers(in_place):
    random = np.random.default_rng(1)
    x = random.standard_normal(TILE).astype("float32").view("complex64")
    angles = random.uniform(-8, 8, TILE // 2)
    turns = np.exp(1j * angles).astype("complex64")
    expected = x.astype("complex128") * turns.astype("complex128")
    out = x if in_place else np.full_like(x, np.nan)
    run(x.ctypes.data, turns.ctypes.data, out.ctypes.data)
    # Two products and a sum, each rounded by 2^-24 of what is at most the number's length.
    assert (np.abs(out - expected) <= 3 * 2.0**-24 * np.abs(expected) * np.sqrt(2)).all()
