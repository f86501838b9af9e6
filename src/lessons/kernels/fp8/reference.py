"""Rounding to an 8-bit float by its definition: look at every number of the format and take the nearest."""

from __future__ import annotations

import math

from lessons.kernels.fp8.formats import Float8


def encode(x: float, format: Float8, saturate: bool = True) -> int:
    """Return the code nearest to ``x``; of two that are equally near, the even one.

    A number is too large when it would round to the next step above the largest one, if there were such a step.
    """
    sign = 0x80 if math.copysign(1, x) < 0 else 0
    if math.isnan(x):
        return sign | 0x7F
    beyond = 2 * format.largest - format.value(format.largest_code - 1)
    steps = [format.value(code) for code in range(format.largest_code + 1)] + [beyond]
    x = min(abs(x), beyond)
    code = min(range(len(steps)), key=lambda i: (abs(steps[i] - x), i % 2))
    if code == format.overflow_code and saturate:
        code = format.largest_code
    return sign | code
