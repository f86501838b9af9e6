"""From stored codes to numbers, in registers: a word of every row's lane becomes floats or bytes."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from lessons.kernels.packed.formats import Format
from lessons.kernels.packed.isa import AVX2, AVX512, PLAIN, Isa
from lessons.kernels.tools import simd

NIBBLE = 15


def column(format: Format, step: int) -> int:
    """Return the column, less 4j, that bits ``step * format.bits`` and up of word j belong to."""
    return step if format.bits == 8 else step % 2 * 16 + step // 2


def _looks_up(format: Format, isa: Isa) -> bool:
    """Tell whether codes become floats by a table: with AVX-512 it is faster than a conversion."""
    return format.book is not None or (format.bits == 4 and isa is AVX512)


def float_unit(format: Format, isa: Isa) -> float:
    """Return what the values of ``float_steps`` are in units of: a power of two, to be taken with the scale."""
    return 1.0 if _looks_up(format, isa) else 2.0 ** (format.bits - 32)


def float_steps(builder, word, format: Format, isa: Isa):
    """Yield (step, float32 values) for each code of a vector of words, counted from the middle code."""
    kind = word.type
    number = lambda value: ir.Constant(kind, [value] * kind.count)  # noqa: E731
    if _looks_up(format, isa):
        book = format.book or tuple(float(code - format.centre) for code in range(16))
        for step in range(8):
            yield step, look_up(builder, builder.lshr(word, number(4 * step)), book, isa)
        return
    # Flip each code's upper bit: it is then a signed number. Moved to the top of the lane, with nothing below it,
    # it is that number times a power of two.
    bits = format.bits
    signed = builder.xor(word, number(format.centre * ((2**32 - 1) // (2**bits - 1))))
    for step in range(32 // bits):
        top = builder.and_(builder.shl(signed, number(32 - bits * (step + 1))), number(-1 << (32 - bits)))
        yield step, builder.sitofp(top, simd.vector(simd.f32, kind.count))


def look_up(builder, code, book: Sequence[float], isa: Isa = PLAIN):
    """Return ``book[code & 15]`` for every lane of int32 codes."""
    floats = simd.vector(simd.f32, code.type.count)
    if isa is AVX512:  # a permutation takes the lower four bits of a lane as its place among sixteen
        return simd.call(builder, "llvm.x86.avx512.permvar.sf.512", floats, ir.Constant(floats, book), code)
    if isa is AVX2:  # among eight: look in both halves of the book
        low, high = (
            simd.call(builder, "llvm.x86.avx2.permps", floats, ir.Constant(floats, half), code)
            for half in (book[:8], book[8:])
        )
        upper = builder.and_(code, ir.Constant(code.type, [8] * code.type.count))
        return builder.select(builder.icmp_signed("!=", upper, ir.Constant(code.type, None)), high, low)
    return _choose(builder, code, [simd.constant(floats, value) for value in book])


def unsigned_bytes(builder, word, format: Format) -> list:
    """Return the codes of a vector of words as vectors of bytes: one for 8 bits, low and high nibbles for 4.

    A byte is the code as stored; for a code book, 127 times its value, rounded, plus 128.
    """
    codes = builder.bitcast(word, simd.vector(simd.i8, 4 * word.type.count))
    if format.bits == 8:
        return [codes]
    number = lambda value: ir.Constant(codes.type, [value] * codes.type.count)  # noqa: E731
    shifted = builder.bitcast(builder.lshr(word, ir.Constant(word.type, [4] * word.type.count)), codes.type)
    halves = [builder.and_(codes, number(NIBBLE)), builder.and_(shifted, number(NIBBLE))]
    if not format.book:
        return halves
    book = [round(127 * value) + 128 for value in format.book]
    name = {64: "llvm.x86.avx512.pshuf.b.512", 32: "llvm.x86.avx2.pshuf.b"}.get(codes.type.count)
    if name is None:
        return [_choose(builder, half, [number(value) for value in book]) for half in halves]
    table = ir.Constant(codes.type, book * (codes.type.count // 16))
    return [simd.call(builder, name, codes.type, table, half) for half in halves]


def _choose(builder, code, values: list):
    """Return ``values[code & 15]`` by selects on one bit after another: for targets that cannot look up."""
    for bit in range(4):
        mask = builder.and_(code, ir.Constant(code.type, [1 << bit] * code.type.count))
        one = builder.icmp_signed("!=", mask, ir.Constant(code.type, None))
        values = [builder.select(one, odd, even) for even, odd in zip(values[::2], values[1::2])]
    return values[0]


def halves_to_floats(builder, address, count: int):
    """Load ``count`` float16 as float32. They must be finite."""
    raw = simd.load(builder, address, simd.vector(simd.i16, count), 2)
    floats, whole = simd.vector(simd.f32, count), simd.vector(simd.i32, count)
    if "f16c" in simd.target_features() or simd.is_arm():
        return builder.fpext(builder.bitcast(raw, simd.vector(simd.f16, count)), floats)
    # Without the instruction LLVM would call a function that is not there. Exponent and fraction in their places
    # of a float32 are the number over 2^112; below them come denormals, which the product puts right as well.
    wide = builder.zext(raw, whole)
    number = lambda value: ir.Constant(whole, [value] * count)  # noqa: E731
    magnitude = builder.shl(builder.and_(wide, number(0x7FFF)), number(13))
    sign = builder.shl(builder.and_(wide, number(0x8000)), number(16))
    scaled = builder.fmul(builder.bitcast(magnitude, floats), simd.constant(floats, 2.0**112))
    return builder.bitcast(builder.or_(builder.bitcast(scaled, whole), sign), floats)
