"""The strided sum for the CPU: whole vectors where elements lie side by side, else one load for each element."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import types

from lessons.kernels.tools.jit import njit

SUMS = 8  # an addition waits some four cycles for the one before, and two can start in a cycle
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
    """Return the sum of every ``stride``-th element, one by one: gathering them into vectors is slower."""

    @njit(types.float32(ROW, types.int64), nogil=True)
    def run(x, stride):
        a = b = c = d = e = f = g = h = np.float32(0)
        end, step = len(x), SUMS * stride
        whole = end - end % step
        for i in range(0, whole, step):
            a += x[i]
            b += x[i + stride]
            c += x[i + 2 * stride]
            d += x[i + 3 * stride]
            e += x[i + 4 * stride]
            f += x[i + 5 * stride]
            g += x[i + 6 * stride]
            h += x[i + 7 * stride]
        for i in range(whole, end, stride):
            a += x[i]
        return ((a + b) + (c + d)) + ((e + f) + (g + h))

    return run


def strided(x: np.ndarray, stride: int) -> float:
    """Sum every ``stride``-th element of a float32 array; see ``lessons.kernels.strided``."""
    return side_by_side()(x) if stride == 1 else apart()(x, stride)
