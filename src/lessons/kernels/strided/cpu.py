"""The strided sum for the CPU: whole vectors where elements lie side by side, else one load for each element."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import types

from lessons.kernels.tools.jit import njit

ROW = types.float32[::1]


@cache
def side_by_side() -> Callable[[np.ndarray], float]:
    """Return the sum of a contiguous float32 array, which LLVM turns into vectors."""

    @njit(types.float32(ROW), nogil=True, fastmath=True)
    def run(x):
        total = np.float32(0)
        for i in range(len(x)):
            total += x[i]
        return total

    return run


@cache
def apart() -> Callable[[np.ndarray, int], float]:
    """Return the sum of every ``stride``-th element, one by one: gathering them into vectors is slower.

    Eight sums: an addition waits some four cycles for the one before, and two can start in each.
    """

    # Unsigned places: with signed ones Numba looks at each whether it is to be counted from the end.
    @njit(types.float32(ROW, types.uintp), nogil=True)
    def run(x, stride):
        a = b = c = d = e = f = g = h = np.float32(0)
        two, three = stride + stride, stride + stride + stride
        four, end = two + two, np.uintp(len(x))
        step = four + four
        whole = end - end % step
        for i in range(np.uintp(0), whole, step):
            a += x[i]
            b += x[i + stride]
            c += x[i + two]
            d += x[i + three]
            e += x[i + four]
            f += x[i + four + stride]
            g += x[i + four + two]
            h += x[i + four + three]
        for i in range(whole, end, stride):
            a += x[i]
        return ((a + b) + (c + d)) + ((e + f) + (g + h))

    return run


def strided(x: np.ndarray, stride: int) -> float:
    """Sum every ``stride``-th element of a float32 array; see ``lessons.kernels.strided``."""
    return side_by_side()(x) if stride == 1 else apart()(x, stride)
