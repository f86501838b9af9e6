"""The fused loop for the CPU. It is so plain that the compiler finds the vectors by itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from numba import float32, types

from lessons.kernels.tools.jit import njit


@cache
def kernel() -> Callable:
    """Return the compiled loop ``run(x, out, a, b, c)`` over float32 arrays."""
    row, scalar = types.float32[::1], types.float32

    @njit(types.void(row, row, scalar, scalar, scalar), nogil=True)
    def run(x, out, a, b, c):
        for i in range(len(x)):
            out[i] = max(a * x[i] + b, float32(0)) * c

    return run
