"""Four products of bytes added to a 32-bit sum, in every lane: what VNNI does in one instruction."""

from __future__ import annotations

from llvmlite import ir

from lessons.kernels.packed.isa import AVX2, AVX512_VNNI, AVX_VNNI, Isa
from lessons.kernels.tools import simd

# Both exist for AVX-512 and for the shorter AVX-VNNI; LLVM picks the encoding.
VNNI = {AVX512_VNNI: "llvm.x86.avx512.vpdpbusd.512", AVX_VNNI: "llvm.x86.avx512.vpdpbusd.256"}


def add_products(builder, total, unsigned, signed, isa: Isa, nibbles: bool):
    """Return total + u0 s0 + u1 s1 + u2 s2 + u3 s3 for each lane, exact.

    Args:
        total: vector of int32.
        unsigned, signed: vectors of four times as many bytes, the first read as 0 to 255, the second as -127 to 127.
        nibbles: the unsigned bytes are at most 15.
    """
    if isa in VNNI:
        return simd.call(builder, VNNI[isa], total.type, total, unsigned, signed)
    if isa is AVX2:
        if nibbles:  # a pair of products is at most 2 * 15 * 127, which int16 holds
            pairs = simd.call(builder, "llvm.x86.avx2.pmadd.ub.sw", _shorts(), unsigned, signed)
            return builder.add(total, _add_pairs(builder, pairs, _number(pairs.type, 1)))
        # 2 * 255 * 127 would be cut off at 32767. Widen first, even bytes and odd bytes apart.
        u, s = (builder.bitcast(value, _shorts()) for value in (unsigned, signed))
        eight = _number(u.type, 8)
        even = _add_pairs(
            builder, builder.and_(u, _number(u.type, 255)), builder.ashr(builder.shl(s, eight), eight)
        )
        odd = _add_pairs(builder, builder.lshr(u, eight), builder.ashr(s, eight))
        return builder.add(total, builder.add(even, odd))
    u, s = (builder.bitcast(value, total.type) for value in (unsigned, signed))
    for byte in range(4):
        a = builder.and_(builder.lshr(u, _number(u.type, 8 * byte)), _number(u.type, 255))
        b = builder.ashr(builder.shl(s, _number(s.type, 24 - 8 * byte)), _number(s.type, 24))
        total = builder.add(total, builder.mul(a, b))
    return total


def _shorts():
    return simd.vector(simd.i16, 16)


def _number(kind, value: int):
    return ir.Constant(kind, [value] * kind.count)


def _add_pairs(builder, a, b):
    """Return a0 b0 + a1 b1 for each pair of int16, as int32."""
    return simd.call(builder, "llvm.x86.avx2.pmadd.wd", simd.vector(simd.i32, 8), a, b)
