"""RMSNorm for the CPU, over addresses: an array argument would cost as much as the norm."""

from __future__ import annotations

import math

import numpy as np
from numba import carray, types

from lessons.kernels.tools.addresses import pointer
from lessons.kernels.tools.jit import njit

word = types.int64


# The sum may be taken in any order, or the loop would not be vectorised; NaN and infinity keep their meaning.
@njit(
    types.void(word, word, word, word, word, types.float64),
    nogil=True,
    fastmath={"reassoc", "contract", "nsz"},
)
def rms_norm(x, weight, out, rows, width, eps):
    """Write the norm of x [rows, width] to out; x, weight and out are addresses of float32."""
    source = carray(pointer(x), (rows, width))
    factor = carray(pointer(weight), (width,))
    target = carray(pointer(out), (rows, width))
    for row in range(rows):
        square = np.float32(0)
        for i in range(width):
            square += source[row, i] * source[row, i]
        scale = np.float32(1.0 / math.sqrt(square / width + eps))
        for i in range(width):
            target[row, i] = source[row, i] * scale * factor[i]
