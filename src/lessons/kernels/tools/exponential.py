"""exp2 and exp of a vector, for numbers that are not positive: what a softmax and a sigmoid need."""

from __future__ import annotations

import math

from llvmlite import ir

from lessons.kernels.tools import simd

# 2^x = 2^n 2^r with n the whole number nearest x, and a polynomial for |r| <= 1/2, by falling powers. It is 1 at 0;
# its other coefficients make the largest relative error least, 2e-9, and 1.6e-8 once they are rounded to float32.
# They were found by least squares whose weights grow where the error is large (Lawson's algorithm).
_POLYNOMIAL = (
    1.5353362e-4,
    1.3398874e-3,
    9.6184369e-3,
    5.5503324e-2,
    2.4022648e-1,
    6.9314718e-1,
    1.0,
)
_ROUND = 1.5 * 2**23  # added to a small float it rounds it, and leaves the whole number in the low bits
_LEAST = -125.0  # 2 to the power of less is, or soon will be, no normal float
LOG2_E = 1 / math.log(2)
_LN2_HIGH, _LN2_LOW = 355 / 512, math.log(2) - 355 / 512  # n times the first is exact, for it has ten bits


def exp2(builder, x):
    """Return 2^x of a float32 vector x <= 0, exactly 0 below ``_LEAST``. A NaN stays one.

    The error is below 2 units in the last place.
    """
    number = lambda value: simd.constant(x.type, value)  # noqa: E731
    shifted = builder.fadd(x, number(_ROUND))
    r = builder.fsub(x, builder.fsub(shifted, number(_ROUND)))
    return _power(builder, shifted, r, builder.fcmp_ordered("<", x, number(_LEAST)))


def exp(builder, x):
    """Return exp(x) as ``exp2`` does: of x <= 0, exactly 0 where x / ln 2 is below ``_LEAST``, a NaN for a NaN."""
    number = lambda value: simd.constant(x.type, value)  # noqa: E731
    shifted = simd.multiply_add(builder, x, number(LOG2_E), number(_ROUND))
    n = builder.fsub(shifted, number(_ROUND))
    r = simd.multiply_add(builder, n, number(-_LN2_HIGH), x)
    r = builder.fmul(simd.multiply_add(builder, n, number(-_LN2_LOW), r), number(LOG2_E))
    return _power(builder, shifted, r, builder.fcmp_ordered("<", x, number(_LEAST / LOG2_E)))


def _power(builder, shifted, r, gone):
    """Return 2^(n + r), where the low bits of ``shifted`` hold n, and 0 where it is ``gone``."""
    kind = r.type
    whole = simd.vector(simd.i32, kind.count)
    y = simd.constant(kind, _POLYNOMIAL[0])
    for coefficient in _POLYNOMIAL[1:]:
        y = simd.multiply_add(builder, y, r, simd.constant(kind, coefficient))
    # 127 more than n, moved to the exponent's place, is 2^n.
    bits = builder.shl(builder.bitcast(shifted, whole), ir.Constant(whole, [23] * kind.count))
    power = builder.bitcast(builder.add(bits, ir.Constant(whole, [127 << 23] * kind.count)), kind)
    return builder.select(gone, simd.constant(kind, 0.0), builder.fmul(y, power))
