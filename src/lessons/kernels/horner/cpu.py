"""Horner's rule for the CPU: twelve vectors of points in flight, each a chain of multiply-adds in a register."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lessons.kernels.tools import simd
from lessons.kernels.tools.jit import njit

# One chain waits 4 to 5 cycles for each step; two units want 8 to 10 chains. Twelve fit in 16 registers, since
# the points themselves may be read again from the first-level cache.
CHAINS = 12


@intrinsic
def _block(typing, x, out, degree, coefficient):
    """Evaluate ``CHAINS`` vectors of points at address ``x`` into address ``out``."""

    def codegen(context, builder, signature, args):
        x, out, degree, coefficient = args
        width = simd.vector_bytes()
        kind = simd.vector(simd.f32, width // 4)
        addend = simd.splat(builder, coefficient, width // 4)
        points = [simd.load(builder, simd.offset(builder, x, j * width), kind, 4) for j in range(CHAINS)]
        values = [cgutils.alloca_once(builder, kind) for _ in points]
        for value in values:
            builder.store(addend, value)
        with cgutils.for_range(builder, degree):
            for value, point in zip(values, points):
                builder.store(simd.multiply_add(builder, builder.load(value), point, addend), value)
        for j, value in enumerate(values):
            simd.store(builder, builder.load(value), simd.offset(builder, out, j * width), 4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.float32), codegen


@cache
def kernel() -> Callable:
    """Return the compiled loop ``run(x, out, degree, coefficient, repeats)`` over float32 arrays."""
    points = CHAINS * simd.vector_bytes() // 4
    row = types.float32[::1]

    @njit(types.void(row, row, types.int64, types.float32, types.int64), nogil=True)
    def run(x, out, degree, coefficient, repeats):
        whole = len(x) // points * points
        start, target = np.int64(x.ctypes.data), np.int64(out.ctypes.data)
        for _ in range(repeats):
            for i in range(0, whole, points):
                _block(start + 4 * i, target + 4 * i, degree, coefficient)
            for i in range(whole, len(x)):
                value = coefficient
                for _ in range(degree):
                    value = value * x[i] + coefficient
                out[i] = value

    return run
