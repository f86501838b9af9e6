"""The STREAM kernels for the CPU: explicit vectors, eight in a turn, with or without non-temporal stores."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from lessons.kernels.tools import simd
from lessons.kernels.tools.jit import njit

UNROLL = 8
STEP = UNROLL * 64  # bytes of each array in one turn of the loop, whatever the vector width


def _chunk(kind: str, nontemporal: bool):
    """Build the intrinsic that runs one kernel over ``size`` bytes at three addresses."""

    @intrinsic
    def chunk(typing, a, b, c, size, scalar):
        signature = types.float64(types.int64, types.int64, types.int64, types.int64, types.float64)

        def codegen(context, builder, signature, args):
            a, b, c, size, scalar = args
            width = simd.vector_bytes()
            kind_of_vector = simd.vector(simd.f64, width // 8)
            factor = simd.splat(builder, scalar, width // 8)
            places = range(0, STEP, width)
            sums = [cgutils.alloca_once(builder, kind_of_vector) for _ in places]
            for total in sums:
                builder.store(simd.constant(kind_of_vector, 0.0), total)
            with cgutils.for_range_slice(builder, simd.i64(0), size, simd.i64(STEP), inc=True) as (i, _):
                # Line by line: several reads before the first store make some processors 15 % slower.
                for total, p in zip(sums, places):
                    # A read may start anywhere; a store past the caches needs its whole line.
                    x = _load(builder, b, i, p, kind_of_vector)
                    y = _load(builder, c, i, p, kind_of_vector) if kind in PAIRS else x
                    if kind == "read":
                        builder.store(builder.fadd(builder.load(total), x), total)
                        continue
                    value = _result(builder, kind, x, y, factor)
                    target = simd.offset(builder, builder.add(a, i), p)
                    if nontemporal:
                        simd.store_nontemporal(builder, value, target)
                    else:
                        simd.store(builder, value, target, 8)
            if nontemporal:
                simd.fence(builder)
            total = builder.load(sums[0])
            for other in sums[1:]:
                total = builder.fadd(total, builder.load(other))
            return simd.reduce_add(builder, total)

        return signature, codegen

    return chunk


PAIRS = {"add", "triad"}


def _load(builder, base, i, place, kind):
    return simd.load(builder, simd.offset(builder, builder.add(base, i), place), kind, 8)


def _result(builder, kind, x, y, factor):
    if kind == "copy":
        return x
    if kind == "scale":
        return builder.fmul(x, factor)
    if kind == "add":
        return builder.fadd(x, y)
    return simd.multiply_add(builder, factor, y, x)


@cache
def kernel(kind: str, nontemporal: bool = False) -> Callable:
    """Return the loop ``run(a, b, c, size, scalar, threads, repeats)`` over byte addresses, compiled.

    Args:
        kind: a key of ``reference.TRAFFIC``.
        nontemporal: store past the caches; the address of ``a`` must then be a multiple of 64.

    The size must be a multiple of ``STEP`` times ``threads``. ``repeats`` passes are made inside the compiled
    code: a pass over the first-level cache takes less time than the call from Python.
    """
    chunk = _chunk(kind, nontemporal)
    address = types.int64
    one = types.float64(address, address, address, address, types.float64, address)
    many = types.float64(address, address, address, address, types.float64, address, address)

    @njit(one, nogil=True)
    def serial(a, b, c, size, scalar, repeats):
        total = 0.0
        for _ in range(repeats):
            total += chunk(a, b, c, size, scalar)
        return total

    @njit(many, nogil=True, parallel=True)
    def parallel(a, b, c, size, scalar, threads, repeats):
        part = size // threads
        total = 0.0
        for t in prange(threads):
            shift = np.int64(t) * part
            own = 0.0
            for _ in range(repeats):
                own += chunk(a + shift, b + shift, c + shift, part, scalar)
            total += own
        return total

    def run(a: int, b: int, c: int, size: int, scalar: float, threads: int = 1, repeats: int = 1) -> float:
        if threads == 1:
            return serial(a, b, c, size, scalar, repeats)
        return parallel(a, b, c, size, scalar, threads, repeats)

    return run


def stream(
    kind: str,
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    scalar: float,
    nontemporal: bool,
    threads: int,
    repeats: int,
) -> float | None:
    """Run one kernel on float64 arrays; see ``lessons.kernels.stream``."""
    run = kernel(kind, nontemporal)
    total = run(a.ctypes.data, b.ctypes.data, c.ctypes.data, b.nbytes, scalar, threads, repeats)
    return total if kind == "read" else None
