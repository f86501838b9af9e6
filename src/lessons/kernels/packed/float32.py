"""The product with float32 activations: weights become floats in registers, and are multiplied at once.

For one block: sum the products of codes and activations, code after code, in a register for each row of x. Then
add scale * sum to the row's total. A code counts from the middle of its range, which keeps the sums small; for a
format with minima, what it counts from is added as (minimum + middle * scale) * (sum of the block's activations).

Activations are prepared as one record a block: [32][rows] float32, then [rows] sums.
"""

from __future__ import annotations

from functools import cache

from numba import types
from numba.extending import intrinsic

from lessons.kernels.packed import codes, vectors
from lessons.kernels.packed.formats import BLOCK, find
from lessons.kernels.packed.isa import AVX2, AVX512, PLAIN, choose
from lessons.kernels.tools import simd
from lessons.kernels.tools.jit import njit
from lessons.kernels.tools.product import TILE

ISAS = (AVX512, AVX2, PLAIN)
FLOAT = 4  # bytes
CHAINS = 4  # sums in flight that hide how long a multiply-add takes: about four cycles

word = types.int64


def prepared_bytes(rows: int, inputs: int) -> int:
    """Return the room that ``prepare`` wants."""
    return inputs // BLOCK * (BLOCK + 1) * rows * FLOAT


@cache
def tile(format: str, rows: int, isa: str | None = None):
    """Build ``tile(weights, prepared, y, blocks, leading)``: 16 outputs for each of ``rows`` rows.

    All arguments are int64; the weights of one tile and the prepared activations are read, and float32
    y [rows, leading] is written, 16 in each row. Call it from compiled code.

    Args:
        format: a name of ``FORMATS``.
        rows: 1 to 16, fixed so that every sum has a register.
        isa: the name of one of ``ISAS``; the target's best when None.
    """
    kind, path = find(format), choose(ISAS, isa)
    chains = 1 << max(0, (CHAINS // rows).bit_length() - 1)  # for each row; a power of two

    def add_block(builder, words, scales, prepared, totals):
        floats = simd.vector(simd.f32, path.lanes)
        zero = simd.constant(floats, 0.0)
        sums = [[vectors.variable(builder, zero) for _ in range(chains)] for _ in range(rows)]
        with vectors.loop(builder, kind.words) as j:
            stored = vectors.load_words(builder, words, j, path.lanes)
            x = builder.add(prepared, vectors.times(builder, j, 4 * rows * FLOAT))
            for step, weight in codes.float_steps(builder, stored, kind, path):
                for row in range(rows):
                    at = simd.offset(builder, x, (codes.column(kind, step) * rows + row) * FLOAT)
                    value = vectors.broadcast(builder, at, simd.f32, path.lanes)
                    partial = sums[row][step % chains]
                    builder.store(simd.multiply_add(builder, weight, value, builder.load(partial)), partial)
        scale = codes.halves_to_floats(builder, scales, path.lanes)
        if kind.minimum:
            minimum = codes.halves_to_floats(builder, simd.offset(builder, scales, 2 * TILE), path.lanes)
            middle = simd.multiply_add(builder, simd.constant(floats, kind.centre), scale, minimum)
        scale = builder.fmul(scale, simd.constant(floats, codes.float_unit(kind, path)))
        for row in range(rows):
            values = [builder.load(partial) for partial in sums[row]]
            while len(values) > 1:
                values = [builder.fadd(a, b) for a, b in zip(values[::2], values[1::2])]
            total = simd.multiply_add(builder, scale, values[0], builder.load(totals[row]))
            if kind.minimum:
                at = simd.offset(builder, prepared, (BLOCK * rows + row) * FLOAT)
                x_sum = vectors.broadcast(builder, at, simd.f32, path.lanes)
                total = simd.multiply_add(builder, middle, x_sum, total)
            builder.store(total, totals[row])

    return vectors.tile(add_block, kind, rows, path.lanes, (BLOCK + 1) * rows * FLOAT)


@intrinsic
def _prepare_block(typing, x, target, sum_at, stride):
    """Write 32 floats ``stride`` bytes apart, and their sum."""

    def codegen(context, builder, signature, args):
        x, target, sum_at, stride = args
        values = simd.load(builder, x, simd.vector(simd.f32, BLOCK), FLOAT)
        vectors.scatter(builder, values, target, stride)
        vectors.put(builder, simd.reduce_add(builder, values), sum_at)
        return context.get_dummy_value()

    return types.void(word, word, word, word), codegen


@njit(types.void(word, word, word, word), nogil=True)
def prepare(x, prepared, rows, inputs):
    """Bring float32 x [rows, inputs], by address, into the order that ``tile`` reads."""
    for block in range(inputs // BLOCK):
        record = prepared + block * (BLOCK + 1) * rows * FLOAT
        for row in range(rows):
            place = record + row * FLOAT
            source = x + (row * inputs + block * BLOCK) * FLOAT
            _prepare_block(source, place, place + BLOCK * rows * FLOAT, rows * FLOAT)
