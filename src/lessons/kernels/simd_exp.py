"""exp of a vector, for numbers that are not positive: what a softmax and a sigmoid need."""

from __future__ import annotations

import math

from llvmlite import ir

from lessons.kernels import simd

# exp(x) = 2^n exp(r) with n the whole number nearest x / ln 2, and a polynomial for |r| <= ln 2 / 2.
# Source: S. Moshier, Cephes, expf: constants and the split of ln 2; error below 2 units in the last place.
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
_POLYNOMIAL = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
_ROUND = 1.5 * 2**23  # added to a small float it rounds it, and leaves the whole number in the low bits
_LEAST = -87.0  # exp of less is no normal float


def exp(builder, x):
    """Return exp(x) of a float32 vector x <= 0, exactly 0 below ``_LEAST``. A NaN stays one."""
    kind = x.type
    number = lambda value: simd.constant(kind, value)  # noqa: E731
    whole = simd.vector(simd.i32, kind.count)
    shifted = simd.multiply_add(builder, x, number(1 / math.log(2)), number(_ROUND))
    n = builder.fsub(shifted, number(_ROUND))
    r = simd.multiply_add(builder, n, number(-_LN2_HIGH), x)
    r = simd.multiply_add(builder, n, number(-_LN2_LOW), r)
    y = number(_POLYNOMIAL[0])
    for coefficient in _POLYNOMIAL[1:]:
        y = simd.multiply_add(builder, y, r, number(coefficient))
    y = simd.multiply_add(builder, y, builder.fmul(r, r), builder.fadd(r, number(1.0)))
    # The low bits of ``shifted`` hold n; 127 more, moved to the exponent's place, is 2^n.
    bits = builder.shl(builder.bitcast(shifted, whole), ir.Constant(whole, [23] * kind.count))
    power = builder.bitcast(builder.add(bits, ir.Constant(whole, [127 << 23] * kind.count)), kind)
    gone = builder.fcmp_ordered("<", x, number(_LEAST))
    return builder.select(gone, number(0.0), builder.fmul(y, power))
