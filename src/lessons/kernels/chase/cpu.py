"""The chase on raw addresses. An indexed load would pay for Numba's negative-index check on each step."""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from lessons.kernels import simd

UNROLL = 16


@intrinsic
def follow(typing, address):
    """Make ``UNROLL`` dependent loads: address = *address."""

    def codegen(context, builder, signature, args):
        address = args[0]
        for _ in range(UNROLL):
            address = simd.load(builder, address, simd.i64, 8)
        return address

    return types.int64(types.int64), codegen


# Explicit types: an int64 that meets a uint64 becomes a float64 in Numba, four times slower.
@njit(types.int64(types.int64, types.int64), nogil=True)
def _walk(address, rounds):
    for _ in range(rounds):
        address = follow(address)
    return address


def chase(links: np.ndarray, steps: int, start: int) -> int:
    """Follow the ring on the CPU; see ``lessons.kernels.chase``."""
    base = links.ctypes.data
    return (_walk(base + 8 * start, steps // UNROLL) - base) // 8
