"""The chase on raw addresses. An indexed load would pay for Numba's negative-index check on each step."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lessons.kernels.tools import simd
from lessons.kernels.tools.jit import njit

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


def _many(chains: int):
    """Build the intrinsic that makes one load in each of ``chains`` independent walks."""

    @intrinsic
    def advance(typing, addresses, rounds):
        def codegen(context, builder, signature, args):
            addresses, rounds = args
            places = [builder.add(addresses, simd.i64(8 * i)) for i in range(chains)]
            walks = [cgutils.alloca_once_value(builder, simd.load(builder, p, simd.i64, 8)) for p in places]
            with cgutils.for_range(builder, rounds):
                for walk in walks:
                    builder.store(simd.load(builder, builder.load(walk), simd.i64, 8), walk)
            for place, walk in zip(places, walks):
                builder.store(builder.load(walk), builder.inttoptr(place, simd.i64.as_pointer()))
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    return advance


@cache
def _many_walks(chains: int):
    advance = _many(chains)

    @njit(types.void(types.int64, types.int64), nogil=True)
    def walk(addresses, rounds):
        advance(addresses, rounds)

    return walk


def chase_many(links: np.ndarray, steps: int, starts: np.ndarray) -> np.ndarray:
    """Follow the ring from several starts at once; see ``lessons.kernels.chase``."""
    addresses = links.ctypes.data + 8 * starts.astype(np.int64)
    _many_walks(len(starts))(addresses.ctypes.data, steps)
    return (addresses - links.ctypes.data) // 8
