"""The product with int8 activations: whole numbers within a block, floats from block to block.

Each block of 32 activations is scaled so that its largest magnitude is 127. Products and sums within a block are
exact; scale * step * sum is added to the row's float32 total.

What the stored codes are offset by costs a correction with the block's sum of activations. It must be the sum of
the *quantised* ones. The activations' rounding errors then meet weights, which are small and of both signs. With
the exact sum they would meet the codes, 0 to 15, which are neither.

Activations are prepared as one record a block: [8][rows] words of four int8, then [rows] float32 steps, then [rows]
corrections: step * sum as float32 for formats with minima, else -centre * sum as int32.

Source:
    github.com/ggml-org/ggml, ggml_vec_dot_q4_1_q8_1: the same arithmetic. There steps and sums are float16.
"""

from __future__ import annotations

from functools import cache

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lessons.kernels.packed import codes, vectors
from lessons.kernels.packed.dot import add_products
from lessons.kernels.packed.formats import BLOCK, find
from lessons.kernels.packed.isa import AVX2, AVX512_VNNI, AVX_VNNI, PLAIN, choose
from lessons.kernels.tools import simd
from lessons.kernels.tools.jit import njit
from lessons.kernels.tools.product import TILE

ISAS = (AVX512_VNNI, AVX_VNNI, AVX2, PLAIN)
MOST = 127
WORDS = BLOCK // 4  # words of four activations in a block
RECORD = BLOCK + 4 + 4  # bytes of a row's block: int8 codes, step, correction
_ROUND = 1.5 * 2**23  # added to a float below 2^22 it rounds it, and leaves the whole number in the low bits
_ROUND_BITS = 0x4B400000  # the same float as a whole number
_LEAST = 1e-36  # 127 over less is no float32

word = types.int64


def prepared_bytes(rows: int, inputs: int) -> int:
    """Return the room that ``prepare`` wants."""
    return inputs // BLOCK * RECORD * rows


@cache
def tile(format: str, rows: int, isa: str | None = None):
    """Build ``tile(weights, prepared, y, blocks, leading)``: 16 outputs for each of ``rows`` rows.

    The same as ``float32.tile``, on what ``int8.prepare(format)`` wrote. "NF4" multiplies its code book rounded to
    1/127, so that its products are whole numbers too.
    """
    kind, path = find(format), choose(ISAS, isa)
    nibbles = kind.bits == 4 and not kind.book

    def add_block(builder, words, scales, prepared, totals):
        ints, floats = simd.vector(simd.i32, path.lanes), simd.vector(simd.f32, path.lanes)
        steps = [simd.offset(builder, prepared, (WORDS * rows + row) * 4) for row in range(rows)]
        corrections = [simd.offset(builder, step, rows * 4) for step in steps]
        if kind.minimum:
            sums = [vectors.variable(builder, ir.Constant(ints, None)) for _ in range(rows)]
        else:
            sums = [
                vectors.variable(builder, vectors.broadcast(builder, at, simd.i32, path.lanes))
                for at in corrections
            ]
        with vectors.loop(builder, kind.words) as j:
            stored = vectors.load_words(builder, words, j, path.lanes)
            x = builder.add(prepared, vectors.times(builder, j, 4 * rows))
            for half, weight in enumerate(codes.unsigned_bytes(builder, stored, kind)):
                for row, total in enumerate(sums):
                    at = simd.offset(builder, x, (half * WORDS // 2 * rows + row) * 4)
                    value = vectors.broadcast(builder, at, simd.i32, path.lanes)
                    value = builder.bitcast(value, weight.type)
                    added = add_products(builder, builder.load(total), weight, value, path, nibbles)
                    builder.store(added, total)
        scale = codes.halves_to_floats(builder, scales, path.lanes)
        if kind.minimum:
            minimum = codes.halves_to_floats(builder, simd.offset(builder, scales, 2 * TILE), path.lanes)
        for row, total in enumerate(totals):
            step = vectors.broadcast(builder, steps[row], simd.f32, path.lanes)
            product = builder.sitofp(builder.load(sums[row]), floats)
            value = simd.multiply_add(builder, product, builder.fmul(scale, step), builder.load(total))
            if kind.minimum:
                x_sum = vectors.broadcast(builder, corrections[row], simd.f32, path.lanes)
                value = simd.multiply_add(builder, minimum, x_sum, value)
            builder.store(value, total)

    return vectors.tile(add_block, kind, rows, path.lanes, RECORD * rows)


def _quantise_block(offset: int, unit: float):
    """Build the intrinsic that quantises 32 floats and writes codes, step and correction.

    Args:
        offset: what the stored codes are offset by; 0 for formats with minima.
        unit: what one step of the code book is worth.
    """

    @intrinsic
    def run(typing, x, target, step_at, correction_at, stride):
        def codegen(context, builder, signature, args):
            x, target, step_at, correction_at, stride = args
            floats, ints = simd.vector(simd.f32, BLOCK), simd.vector(simd.i32, BLOCK)
            values = simd.load(builder, x, floats, 4)
            # Magnitudes compare like whole numbers, and a NaN is the greatest of them: it reaches the step,
            # and through it every product.
            bits = builder.and_(builder.bitcast(values, ints), ir.Constant(ints, [0x7FFFFFFF] * BLOCK))
            name = f"llvm.vector.reduce.umax.v{BLOCK}i32"
            largest = builder.bitcast(simd.call(builder, name, simd.i32, bits), simd.f32)
            step = builder.fdiv(largest, simd.f32(MOST))
            inverse = builder.select(
                builder.fcmp_ordered(">", largest, simd.f32(_LEAST)),
                builder.fdiv(simd.f32(MOST), largest),
                simd.f32(0.0),
            )
            scaled = builder.fmul(values, simd.splat(builder, inverse, BLOCK))
            rounded = builder.bitcast(builder.fadd(scaled, simd.constant(floats, _ROUND)), ints)
            quantised = builder.trunc(rounded, simd.vector(simd.i8, BLOCK))
            # Each of ``rounded`` is a whole number more than the bits of _ROUND.
            total = simd.call(builder, f"llvm.vector.reduce.add.v{BLOCK}i32", simd.i32, rounded)
            total = builder.sub(total, simd.i32(BLOCK * _ROUND_BITS % 2**32))
            vectors.scatter(builder, builder.bitcast(quantised, simd.vector(simd.i32, WORDS)), target, stride)
            vectors.put(builder, builder.fmul(step, simd.f32(unit)), step_at)
            if offset:
                vectors.put(builder, builder.mul(total, simd.i32(-offset)), correction_at)
            else:
                vectors.put(builder, builder.fmul(step, builder.sitofp(total, simd.f32)), correction_at)
            return context.get_dummy_value()

        return types.void(*[word] * 5), codegen

    return run


@cache
def prepare(format: str):
    """Return the compiled ``prepare(x, prepared, rows, inputs)`` over addresses: float32 x to what ``tile`` reads."""
    kind = find(format)
    # A code book of 127ths is stored as bytes counted from -128.
    offset, unit = (128, 1 / MOST) if kind.book else (0 if kind.minimum else kind.centre, 1.0)
    quantise = _quantise_block(offset, unit)

    @njit(types.void(word, word, word, word), nogil=True)
    def run(x, prepared, rows, inputs):
        for block in range(inputs // BLOCK):
            record = prepared + block * RECORD * rows
            for row in range(rows):
                place = record + 4 * row
                steps = place + BLOCK * rows
                source = x + (row * inputs + block * BLOCK) * 4
                quantise(source, place, steps, steps + 4 * rows, 4 * rows)

    return run
