"""The product for the CPU, one thread: three loops, or square tiles that are copied side by side first."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lessons.kernels.tools import simd
from lessons.kernels.tools.buffers import aligned
from lessons.kernels.tools.jit import njit

LEAST_TILE = 4
# Rows of a tile lie a cache line more than a power of two apart: a power of two would send each of a column's lines
# into the same few sets of the cache.
PADDING = simd.CACHE_LINE // 4

word = types.int64
matrix = types.Array(types.float32, 2, "A")


def register_tile(tile: int) -> tuple[int, int, int]:
    """Return rows, vectors and lanes of the results that the inner loop keeps in registers, for tiles of this side.

    They, a row of vectors of b and one number of a must fit in the registers, and be enough chains of multiply-adds
    to hide the latency of one.
    """
    lanes = min(tile, simd.vector_bytes() // 4)
    many = simd.vector_bytes() == 64 or simd.is_arm()
    return min(tile, 8 if many else 4), min(2, tile // lanes), lanes


CHAINS = (
    4  # sums of one result, so that no addition waits for the one before it: the loads are what shall count
)


@intrinsic
def _dot(typing, row, column, pitch, count):
    """Return the sum of ``count`` products, a multiple of ``CHAINS``, of a row and a column of this pitch in bytes."""

    def codegen(context, builder, signature, args):
        row, column, pitch, count = args
        sums = [cgutils.alloca_once_value(builder, ir.Constant(simd.f32, 0.0)) for _ in range(CHAINS)]
        with cgutils.for_range_slice(builder, simd.i64(0), count, simd.i64(CHAINS), inc=True) as (k, _):
            for chain, total in enumerate(sums):
                place = builder.add(k, simd.i64(chain))
                x = simd.load(builder, builder.add(row, builder.mul(place, simd.i64(4))), simd.f32, 4)
                y = simd.load(builder, builder.add(column, builder.mul(place, pitch)), simd.f32, 4)
                builder.store(builder.fadd(builder.load(total), builder.fmul(x, y)), total)
        first, *others = map(builder.load, sums)
        for other in others:
            first = builder.fadd(first, other)
        return first

    return types.float32(*[types.int64] * 4), codegen


@cache
def _three_loops() -> Callable:
    """Return the compiled ``run(out, a, a_pitch, b, b_pitch, inputs)``; inputs must be a multiple of ``CHAINS``."""

    @njit(types.void(matrix, word, word, word, word, word), nogil=True)
    def run(out, a, a_pitch, b, b_pitch, inputs):
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                out[i, j] = _dot(a + i * a_pitch, b + 4 * j, b_pitch, inputs)

    return run


def _inner(rows: int, vectors: int, lanes: int):
    """Build the intrinsic that adds ``depth`` products to each result of one register tile, over addresses."""

    @intrinsic
    def inner(typing, a, b, c, depth, pitch):
        def codegen(context, builder, signature, args):
            a, b, c, depth, pitch = args
            kind = simd.vector(simd.f32, lanes)
            a_rows = [builder.add(a, builder.mul(simd.i64(r), pitch)) for r in range(rows)]
            places = [
                [
                    simd.offset(builder, builder.add(c, builder.mul(simd.i64(r), pitch)), 4 * lanes * v)
                    for v in range(vectors)
                ]
                for r in range(rows)
            ]
            sums = [[cgutils.alloca_once(builder, kind) for _ in line] for line in places]
            for line, row in zip(sums, places):
                for total, place in zip(line, row):
                    builder.store(simd.load(builder, place, kind, 4), total)
            with cgutils.for_range(builder, depth) as loop:
                b_row = builder.add(b, builder.mul(loop.index, pitch))
                across = [
                    simd.load(builder, simd.offset(builder, b_row, 4 * lanes * v), kind, 4)
                    for v in range(vectors)
                ]
                step = builder.mul(loop.index, simd.i64(4))
                for line, a_row in zip(sums, a_rows):
                    factor = simd.load(builder, builder.add(a_row, step), simd.f32, 4)
                    factor = simd.splat(builder, factor, lanes)
                    for total, value in zip(line, across):
                        builder.store(simd.multiply_add(builder, factor, value, builder.load(total)), total)
            for line, row in zip(sums, places):
                for total, place in zip(line, row):
                    simd.store(builder, builder.load(total), place, 4)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 5), codegen

    return inner


def _bring(tile: int):
    """Build the intrinsic ``bring(source, source_pitch, target, target_pitch)``: copy one tile, row by row."""

    @intrinsic
    def bring(typing, source, source_pitch, target, target_pitch):
        def codegen(context, builder, signature, args):
            source, source_pitch, target, target_pitch = args
            lanes = min(tile, simd.vector_bytes() // 4)
            kind = simd.vector(simd.f32, lanes)
            with cgutils.for_range(builder, simd.i64(tile)) as loop:
                here = builder.add(source, builder.mul(loop.index, source_pitch))
                there = builder.add(target, builder.mul(loop.index, target_pitch))
                for place in range(0, 4 * tile, 4 * lanes):
                    value = simd.load(builder, simd.offset(builder, here, place), kind, 4)
                    simd.store(builder, value, simd.offset(builder, there, place), 4)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4), codegen

    return bring


@cache
def _loops(tile: int) -> Callable:
    """Return the compiled ``run(a, b, c, zeros, out, ...)`` over addresses and pitches in bytes.

    ``a``, ``b``, ``c`` and ``zeros`` in ``tiles`` are the buffers of one tile each; sizes are multiples of the tile.
    """
    rows, vectors, lanes = register_tile(tile)
    inner = _inner(rows, vectors, lanes)
    width = vectors * lanes
    pitch = 4 * (tile + PADDING)

    bring = _bring(tile)

    @njit(types.void(word, word, word, word, word, word, word, word, word, word), nogil=True)
    def run(a, a_pitch, b, b_pitch, out, out_pitch, m, n, k, tiles):
        a_tile, b_tile = tiles, tiles + tile * pitch
        c_tile, zeros = tiles + 2 * tile * pitch, tiles + 3 * tile * pitch
        for i in range(0, m, tile):
            for j in range(0, n, tile):
                bring(zeros, 0, c_tile, pitch)
                for d in range(0, k, tile):
                    bring(a + i * a_pitch + 4 * d, a_pitch, a_tile, pitch)
                    bring(b + d * b_pitch + 4 * j, b_pitch, b_tile, pitch)
                    for y in range(0, tile, width):
                        for x in range(0, tile, rows):
                            inner(
                                a_tile + x * pitch,
                                b_tile + 4 * y,
                                c_tile + x * pitch + 4 * y,
                                tile,
                                pitch,
                            )
                bring(c_tile, pitch, out + i * out_pitch + 4 * j, out_pitch)

    return run


def naive(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Write a b into ``out``; see ``lessons.kernels.gemm``."""
    if more := -len(b) % CHAINS:  # zeros change no sum
        a, b = np.pad(a, [(0, 0), (0, more)]), np.pad(b, [(0, more), (0, 0)])
    _three_loops()(out, a.ctypes.data, a.strides[0], b.ctypes.data, b.strides[0], len(b))


def blocked(a: np.ndarray, b: np.ndarray, out: np.ndarray, tile: int) -> None:
    """Write a b into ``out``; see ``lessons.kernels.gemm``."""
    (m, k), n = a.shape, b.shape[1]
    if any(size % tile for size in (m, n, k)):
        # Zeros change no sum; what is benchmarked is a multiple of the tile, so these copies are rare.
        a, b = (np.pad(x, [(0, -size % tile) for size in x.shape]) for x in (a, b))
        whole = np.empty((a.shape[0], b.shape[1]), np.float32)
        blocked(a, b, whole, tile)
        out[:] = whole[:m, :n]
        return
    tiles: Any = aligned((3 * tile + 1, tile + PADDING), "float32")
    sides = [number for x in (a, b, out) for number in (x.ctypes.data, x.strides[0])]
    _loops(tile)(*sides, m, n, k, tiles.ctypes.data)
