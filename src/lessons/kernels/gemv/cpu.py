"""The product for the CPU: tiles of a few outputs by all rows, every sum in a register of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import get_num_threads, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from lessons.kernels.tools import simd
from lessons.kernels.tools.addresses import copy
from lessons.kernels.tools.jit import cfunc, njit
from lessons.kernels.tools.product import PARALLEL_BYTES, TILE, Product


def tile_outputs(rows: int) -> int:
    """Return how many outputs share a tile: their sums, and the vectors in use, must fit in the registers.

    Eight outputs also mean eight streams through memory, which is what the prefetchers like.
    """
    registers = 32 if simd.vector_bytes() == 64 or simd.is_arm() else 16
    for outputs in (8, 4, 2):
        if outputs * rows + rows + 2 <= registers:
            return outputs
    return 1


def _tile(rows: int, outputs: int, bfloat16: bool):
    """Build the intrinsic for ``outputs`` dot products with each of ``rows`` rows over whole vectors."""

    @intrinsic
    def tile(typing, x, w, y, inputs, leading):
        def codegen(context, builder, signature, args):
            x, w, y, inputs, leading = args
            lanes = simd.vector_bytes() // 4
            size = 2 if bfloat16 else 4
            kind = simd.vector(simd.f32, lanes)
            sums = [[cgutils.alloca_once(builder, kind) for _ in range(rows)] for _ in range(outputs)]
            for line in sums:
                for total in line:
                    builder.store(simd.constant(kind, 0.0), total)
            at = lambda base, row, width: builder.add(  # noqa: E731
                base, builder.mul(simd.i64(row), builder.mul(inputs, simd.i64(width)))
            )
            x_rows = [at(x, r, 4) for r in range(rows)]
            w_rows = [at(w, o, size) for o in range(outputs)]
            tile_bytes = builder.mul(inputs, simd.i64(outputs * size))
            with cgutils.for_range_slice(builder, simd.i64(0), inputs, simd.i64(lanes), inc=True) as (i, _):
                x_step, w_step = builder.mul(i, simd.i64(4)), builder.mul(i, simd.i64(size))
                values = [simd.load(builder, builder.add(row, x_step), kind, 4) for row in x_rows]
                for line, row in zip(sums, w_rows):
                    # The next tile follows this one in memory. Asking for it now keeps memory busy while
                    # the multiply-adds of several rows fill the processor's window.
                    simd.prefetch(builder, builder.add(builder.add(row, w_step), tile_bytes))
                    weight = _load_weight(builder, builder.add(row, w_step), lanes, bfloat16)
                    for total, value in zip(line, values):
                        builder.store(simd.multiply_add(builder, weight, value, builder.load(total)), total)
            for o, line in enumerate(sums):
                for r, total in enumerate(line):
                    value = simd.reduce_add(builder, builder.load(total))
                    place = builder.add(builder.mul(simd.i64(r), leading), simd.i64(o))
                    address = builder.add(y, builder.mul(place, simd.i64(4)))
                    builder.store(value, builder.inttoptr(address, simd.f32.as_pointer())).align = 4
            return context.get_dummy_value()

        return types.void(*[types.int64] * 5), codegen

    return tile


def _load_weight(builder, address, lanes: int, bfloat16: bool):
    if not bfloat16:
        return simd.load(builder, address, simd.vector(simd.f32, lanes), 4)
    # A bfloat16 is the upper half of a float32.
    raw = simd.load(builder, address, simd.vector(simd.i16, lanes), 2)
    wide = builder.zext(raw, simd.vector(simd.i32, lanes))
    return builder.bitcast(builder.shl(wide, simd.constant(wide.type, 16)), simd.vector(simd.f32, lanes))


word = types.int64


@cache
def _span(rows: int, bfloat16: bool) -> Callable:
    """Return the compiled ``span(x, w, y, inputs, first, last, leading)`` over addresses.

    It writes the outputs from ``first`` to before ``last`` into y, whose rows are ``leading`` long; ``inputs``
    must be a multiple of the vector's lanes.
    """
    per_tile = tile_outputs(rows)
    whole, single = _tile(rows, per_tile, bfloat16), _tile(rows, 1, bfloat16)
    size = 2 if bfloat16 else 4

    @njit(types.void(word, word, word, word, word, word, word), nogil=True)
    def span(x, w, y, inputs, first, last, leading):
        row = first
        while row + per_tile <= last:
            whole(x, w + row * inputs * size, y + row * 4, inputs, leading)
            row += per_tile
        while row < last:
            single(x, w + row * inputs * size, y + row * 4, inputs, leading)
            row += 1

    return span


@cache
def kernel(rows: int, bfloat16: bool) -> Callable:
    """Return the compiled loop ``run(x, w, y, inputs, outputs, threads)`` over addresses, y without gaps."""
    span, per_tile, size = _span(rows, bfloat16), tile_outputs(rows), 2 if bfloat16 else 4

    @njit(types.void(word, word, word, word, word, word), nogil=True, parallel=True)
    def parallel(x, w, y, inputs, outputs, threads):
        for t in prange(threads):
            # Whole tiles for each thread, so that only the last has a remainder.
            tiles = (outputs + per_tile - 1) // per_tile
            first = np.int64(t) * tiles // threads * per_tile
            last = min(outputs, (np.int64(t) + 1) * tiles // threads * per_tile)
            span(x, w, y, inputs, first, last, outputs)

    def run(x: int, w: int, y: int, inputs: int, outputs: int, threads: int) -> None:
        if threads == 1 or inputs * outputs * size < PARALLEL_BYTES:
            span(x, w, y, inputs, 0, outputs, outputs)
        else:
            parallel(x, w, y, inputs, outputs, threads)

    return run


@cache
def product(rows: int, bfloat16: bool) -> Product:
    """Return the product for other compiled code; ``inputs`` must be a multiple of the vector's lanes."""
    span = _span(rows, bfloat16)

    @cfunc(types.void(word, word, word, word))
    def prepare(x, prepared, rows, inputs):
        copy(x, prepared, rows * inputs)

    @cfunc(types.void(word, word, word, word, word, word, word))
    def tiles(w, prepared, y, first, last, inputs, leading):
        span(prepared, w, y, inputs, first * TILE, last * TILE, leading)

    return Product(prepare, tiles, lambda inputs: 4 * rows * inputs)


def _widen(bfloat16: bool):
    """Build the intrinsic ``widen(source, target)``: one vector of weights as float32."""

    @intrinsic
    def run(typing, source, target):
        def codegen(context, builder, signature, args):
            value = _load_weight(builder, args[0], simd.vector_bytes() // 4, bfloat16)
            simd.store(builder, value, args[1], 4)
            return context.get_dummy_value()

        return types.void(word, word), codegen

    return run


@cache
def row(bfloat16: bool) -> Any:
    """Return the C function ``row(w, number, out, columns)``, which writes one row as float32.

    ``columns`` must be a multiple of the vector's lanes.
    """
    widen, lanes, size = _widen(bfloat16), simd.vector_bytes() // 4, 2 if bfloat16 else 4

    @cfunc(types.void(word, word, word, word))
    def run(w, number, out, columns):
        for i in range(0, columns, lanes):
            widen(w + (number * columns + i) * size, out + i * 4)

    return run


def linear(x: Any, w: Any, out: Any, threads: int | None) -> None:
    """Write x wᵀ into ``out``; see ``lessons.kernels.gemv``."""
    rows, inputs = x.shape
    outputs = w.shape[0]
    lanes = simd.vector_bytes() // 4
    if inputs % lanes:
        # Zeros change no sum; a model's widths are multiples of the lanes, so this copy is rare.
        import torch.nn.functional as F

        x, w = (F.pad(t, (0, lanes - inputs % lanes)) for t in (x, w))
        inputs = x.shape[1]
    run = kernel(rows, w.element_size() == 2)
    run(x.data_ptr(), w.data_ptr(), out.data_ptr(), inputs, outputs, threads or get_num_threads())
