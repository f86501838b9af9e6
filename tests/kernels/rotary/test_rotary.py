import numpy as np
import pytest

from lessons.kernels.rotary.cpu import rotate
from lessons.kernels.rotary.reference import rotate as reference
from lessons.kernels.tools.jit import njit
from lessons.kernels.tools.product import TILE


@njit("void(int64, int64, int64)")
def run(source, turns, target):
    rotate(source, turns, target)


def test_a_right_angle_exchanges_the_two_of_a_pair():
    x = np.arange(TILE, dtype=np.float32)
    turned = reference(x, np.full(TILE // 2, 1j, np.complex64)).reshape(-1, 2)
    assert (turned == np.stack([-x[1::2], x[::2]], axis=1)).all()


@pytest.mark.parametrize("in_place", [False, True])
def test_it_is_the_product_of_complex_numbers(in_place):
    random = np.random.default_rng(1)
    x = random.standard_normal(TILE).astype("float32")
    turns = np.exp(1j * random.uniform(-8, 8, TILE // 2)).astype("complex64")
    expected = reference(x, turns).view("complex128")
    out = x if in_place else np.full_like(x, np.nan)
    run(x.ctypes.data, turns.ctypes.data, out.ctypes.data)
    # Two products and a sum, each rounded by 2^-24 of what is at most the number's length.
    error = np.abs(out.view("complex64") - expected)
    assert (error <= 3 * 2.0**-24 * np.abs(expected) * np.sqrt(2)).all()
