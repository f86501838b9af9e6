"""The transpose for the CPU: element by element, or by squares of a cache line's width that are turned in registers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

from lessons.kernels.tools import simd
from lessons.kernels.tools.addresses import pointer
from lessons.kernels.tools.jit import njit

SQUARE = simd.CACHE_LINE // 4  # elements on a side: a line of x and a line of out
# Squares below each other that are turned in a row: their lines of ``out`` lie side by side, and a memory takes four of
# them faster than one. More of them gain nothing.
STRIP = 4 * SQUARE
# So far ahead in each row a line of x is asked for. The processor's own prefetcher does not follow so many rows.
AHEAD = 2 * simd.CACHE_LINE

address = types.int64
# x, out, rows, columns, and the bytes from one row to the next of both
MATRICES = types.void(address, address, types.int64, types.int64, types.int64, types.int64)


@cache
def naive() -> Callable[..., None]:
    """Return the two loops as everybody writes them first."""

    @njit(MATRICES, nogil=True)
    def run(x, out, rows, columns, x_pitch, out_pitch):
        a = carray(pointer(x), (rows, x_pitch // 4))
        b = carray(pointer(out), (columns, out_pitch // 4))
        for i in range(rows):
            for j in range(columns):
                b[j, i] = a[i, j]

    return run


def _square(nontemporal: bool):
    """Build the intrinsic that transposes one square of ``SQUARE`` elements a side, in parts of a vector's width."""

    @intrinsic
    def square(typing, x, out, x_pitch, out_pitch):
        def codegen(context, builder, signature, args):
            x, out, x_pitch, out_pitch = args
            width = simd.vector_bytes() // 4
            kind = simd.vector(simd.f32, width)

            def place(base, row, pitch, column):
                return simd.offset(builder, builder.add(base, builder.mul(pitch, simd.i64(row))), 4 * column)

            for r in range(SQUARE):
                simd.prefetch(builder, simd.offset(builder, place(x, r, x_pitch, 0), AHEAD))
            for j in range(0, SQUARE, width):
                for i in range(0, SQUARE, width):
                    rows = [simd.load(builder, place(x, i + r, x_pitch, j), kind, 4) for r in range(width)]
                    for r, row in enumerate(_turned(builder, rows)):
                        target = place(out, j + r, out_pitch, i)
                        if nontemporal:
                            simd.store_nontemporal(builder, row, target)
                        else:
                            simd.store(builder, row, target, 4)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4), codegen

    return square


def _turned(builder, rows: list) -> list:
    """Return the columns of a square of vectors: its off-diagonal quarters change places, then those of quarters."""
    width = len(rows)
    rows, lanes, d = list(rows), range(width), width // 2
    while d:
        # Lane l of the first vector is l, that of the second width + l.
        upper = [lane if not lane & d else width + lane - d for lane in lanes]
        lower = [lane + d if not lane & d else width + lane for lane in lanes]
        masks = [ir.Constant(simd.vector(simd.i32, width), mask) for mask in (upper, lower)]
        for r in lanes:
            if not r & d:
                pair = rows[r], rows[r + d]
                rows[r], rows[r + d] = (builder.shuffle_vector(*pair, mask) for mask in masks)
        d //= 2
    return rows


@cache
def blocked(nontemporal: bool = False) -> Callable[..., None]:
    """Return the loop over squares, strip by strip, and what is left over element by element.

    Args:
        nontemporal: store past the caches.
    """
    square = _square(nontemporal)

    @njit(MATRICES, nogil=True)
    def run(x, out, rows, columns, x_pitch, out_pitch):
        whole_rows, whole_columns = rows // SQUARE * SQUARE, columns // SQUARE * SQUARE
        for top in range(0, whole_rows, STRIP):
            for j in range(0, whole_columns, SQUARE):
                for i in range(top, min(top + STRIP, whole_rows), SQUARE):
                    square(x + i * x_pitch + 4 * j, out + j * out_pitch + 4 * i, x_pitch, out_pitch)
        a = carray(pointer(x), (rows, x_pitch // 4))
        b = carray(pointer(out), (columns, out_pitch // 4))
        for i in range(rows):
            for j in range(whole_columns if i < whole_rows else 0, columns):
                b[j, i] = a[i, j]

    return run


def transpose(way: str, x: np.ndarray, out: np.ndarray, nontemporal: bool) -> None:
    """Transpose float32 matrices; see ``lessons.kernels.transpose``."""
    run = naive() if way == "naive" else blocked(nontemporal)
    run(x.ctypes.data, out.ctypes.data, *x.shape, x.strides[0], out.strides[0])
