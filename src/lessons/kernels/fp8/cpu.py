"""Rounding to an 8-bit float in whole-number arithmetic on the bits of a float32."""

from __future__ import annotations

import numpy as np
from numba import types

from lessons.kernels.fp8.formats import Float8
from lessons.kernels.tools.jit import njit

FLOAT_MANTISSA, FLOAT_BIAS, FLOAT_INFINITY = 23, 127, 0x7F800000


def encode(x: np.ndarray, format: Float8, saturate: bool) -> np.ndarray:
    """Return the codes, uint8 [n], of float32 [n]."""
    out = np.empty(x.shape, np.uint8)
    above = format.largest_code if saturate else format.overflow_code
    _encode(x.view(np.int32), x, out, format.mantissa, format.bias, format.largest_code, above)
    return out


@njit(
    types.void(types.int32[::1], types.float32[::1], types.uint8[::1], *[types.int64] * 4),
    nogil=True,
)
def _encode(bits, x, out, mantissa, bias, largest, above):
    dropped = FLOAT_MANTISSA - mantissa
    least_normal = (FLOAT_BIAS + 1 - bias) << FLOAT_MANTISSA
    subnormal_steps = np.float32(2.0 ** (bias - 1 + mantissa))
    for i in range(len(x)):
        magnitude = bits[i] & 0x7FFFFFFF
        if magnitude > FLOAT_INFINITY:
            code = 0x7F
        elif magnitude < least_normal:
            # Steps are even here, and the code counts them.
            code = int(np.rint(abs(x[i]) * subnormal_steps))
        else:
            # Add just under half of the last bit that stays, and a little more where that bit is odd: what is
            # dropped then carries into it exactly when rounding to nearest, ties to even, goes up.
            half = (1 << (dropped - 1)) - 1 + ((magnitude >> dropped) & 1)
            code = ((magnitude + half) >> dropped) - ((FLOAT_BIAS - bias) << mantissa)
            if code > largest:
                code = above
        out[i] = code | ((bits[i] >> 24) & 0x80)
