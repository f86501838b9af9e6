"""The gather on raw addresses. Its next address is ready within a few cycles, a load from memory takes hundreds."""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from lessons.kernels.gather.reference import INCREMENT, LINE, MASK, MULTIPLIER
from lessons.kernels.tools import simd
from lessons.kernels.tools.jit import njit


@intrinsic
def load(typing, address):
    """Return the int64 at an address."""

    def codegen(context, builder, signature, args):
        return simd.load(builder, args[0], simd.i64, 8)

    return types.int64(types.int64), codegen


@njit(types.int64(types.int64, types.int64, types.int64, types.int64), nogil=True)
def _gather(base, lines, loads, state):
    found = 0
    for _ in range(loads):
        state = (state * MULTIPLIER + INCREMENT) & MASK
        found ^= load(base + (state * lines >> 32) * LINE)
    return found


def gather(values: np.ndarray, lines: int, loads: int, seed: int) -> int:
    """Load from ``lines`` lines of an array; see ``lessons.kernels.gather``."""
    return _gather(values.ctypes.data, lines, loads, seed & MASK)
