"""Packed weights back to float32 rows: for a product with so many rows that a library's is best."""

from __future__ import annotations

from functools import cache

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lessons.kernels.packed import codes
from lessons.kernels.packed.formats import BLOCK, Format, find
from lessons.kernels.tools import simd
from lessons.kernels.tools.jit import njit
from lessons.kernels.tools.product import TILE

HALF = BLOCK // 2

word = types.int64


def _expand_block(format: Format):
    """Build the intrinsic that writes the 32 weights of one row in one block."""

    @intrinsic
    def run(typing, words, scale_at, out):
        """Write 32 float32 to ``out``, from the row's first word and its scale."""

        def codegen(context, builder, signature, args):
            words, scale_at, out = args
            floats = simd.vector(simd.f32, HALF)

            def repeated_half(address):
                return simd.splat(
                    builder,
                    builder.extract_element(codes.halves_to_floats(builder, address, 1), simd.i32(0)),
                    HALF,
                )

            scale = repeated_half(scale_at)
            if format.minimum:
                minimum = repeated_half(simd.offset(builder, scale_at, 2 * TILE))
            for half in range(2):
                code = _stored_codes(builder, words, format, half)
                if format.book:
                    value = codes.look_up(builder, code, format.book)
                else:
                    value = builder.sitofp(code, floats)
                    if not format.minimum:
                        value = builder.fsub(value, simd.constant(floats, format.centre))
                value = builder.fmul(scale, value)  # exact: a code has few bits, and so has a float16
                if format.minimum:
                    value = builder.fadd(value, minimum)
                simd.store(builder, value, simd.offset(builder, out, half * HALF * 4), 4)
            return context.get_dummy_value()

        return types.void(word, word, word), codegen

    return run


def _stored_codes(builder, words, format: Format, half: int):
    """Return the codes of 16 columns of one row as int32: with 4 bits the low or the high nibbles of its words."""
    first = 4 * half if format.bits == 8 else 0
    gathered = ir.Constant(simd.vector(simd.i32, 4), ir.Undefined)
    for lane in range(4):
        at = simd.offset(builder, words, (first + lane) * 4 * TILE)
        gathered = builder.insert_element(gathered, simd.load(builder, at, simd.i32, 4), simd.i32(lane))
    stored = builder.bitcast(gathered, simd.vector(simd.i8, HALF))
    if format.bits == 4:
        number = ir.Constant(stored.type, [4 if half else 15] * HALF)
        stored = builder.lshr(stored, number) if half else builder.and_(stored, number)
    return builder.zext(stored, simd.vector(simd.i32, HALF))


@cache
def span(format: str):
    """Return the compiled ``span(weights, out, first, last, columns)`` over addresses.

    It writes the tiles from ``first`` to before ``last`` as float32 rows; ``out`` is the address of row 16 * first,
    ``weights`` that of the whole matrix.
    """
    kind = find(format)
    expand_block, block_bytes, scales_at = _expand_block(kind), kind.block_bytes, kind.scales_at

    @njit(types.void(word, word, word, word, word), nogil=True)
    def run(weights, out, first, last, columns):
        blocks = columns // BLOCK
        for tile in range(last - first):
            for block in range(blocks):
                place = weights + ((first + tile) * blocks + block) * block_bytes
                for row in range(TILE):
                    target = out + ((tile * TILE + row) * columns + block * BLOCK) * 4
                    expand_block(place + 4 * row, place + scales_at + 2 * row, target)

    return run


@cache
def row(format: str):
    """Return the compiled ``row(weights, number, out, columns)`` over addresses: one row as float32."""
    kind = find(format)
    expand_block, block_bytes, scales_at = _expand_block(kind), kind.block_bytes, kind.scales_at

    @njit(types.void(word, word, word, word), nogil=True)
    def run(weights, number, out, columns):
        blocks, inside = columns // BLOCK, number % TILE
        for block in range(blocks):
            place = weights + (number // TILE * blocks + block) * block_bytes
            expand_block(place + 4 * inside, place + scales_at + 2 * inside, out + block * BLOCK * 4)

    return run
