"""The peak loops for the CPU: twelve accumulators, x = x * a + b, which settles at 1 and never overflows.

And the same for bytes, which wraps around as whole numbers do.
"""

from __future__ import annotations

from functools import cache

from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from lessons.kernels.fma.reference import CHAINS, INT8
from lessons.kernels.packed import int8
from lessons.kernels.packed.dot import add_products
from lessons.kernels.tools import simd
from lessons.kernels.tools.jit import njit


def _chains(dtype: str):
    @intrinsic
    def chains(typing, rounds, a, b):
        def codegen(context, builder, signature, args):
            rounds, a, b = args
            element = simd.f32 if dtype == "float32" else simd.f64
            lanes = simd.vector_bytes() // (4 if dtype == "float32" else 8)
            kind = simd.vector(element, lanes)
            cast = (lambda v: builder.fptrunc(v, element)) if dtype == "float32" else (lambda v: v)
            factor, addend = (simd.splat(builder, cast(v), lanes) for v in (a, b))
            sums = [cgutils.alloca_once(builder, kind) for _ in range(CHAINS)]
            for i, total in enumerate(sums):
                builder.store(simd.constant(kind, 1.0 + i / 1024), total)
            with cgutils.for_range(builder, rounds):
                for total in sums:
                    builder.store(simd.multiply_add(builder, builder.load(total), factor, addend), total)
            result = simd.constant(kind, 0.0)
            for total in sums:
                result = builder.fadd(result, builder.load(total))
            value = simd.reduce_add(builder, result)
            return builder.fpext(value, simd.f64) if dtype == "float32" else value

        return types.float64(types.int64, types.float64, types.float64), codegen

    return chains


BYTES_START, BYTES_FACTOR = 0x01020304, 3


def _byte_chains():
    """Build the loop on bytes. The second factor is the sum itself, so that no product can leave the loop."""
    path = int8.choose(int8.ISAS)

    @intrinsic
    def chains(typing, rounds, factor, unused):
        def codegen(context, builder, signature, args):
            rounds, factor, _ = args
            kind = simd.vector(simd.i32, path.lanes)
            factors = simd.splat(builder, builder.fptoui(factor, simd.i8), 4 * path.lanes)
            sums = [cgutils.alloca_once(builder, kind) for _ in range(CHAINS)]
            for i, total in enumerate(sums):
                builder.store(simd.constant(kind, BYTES_START * i), total)
            with cgutils.for_range(builder, rounds):
                for total in sums:
                    x = builder.load(total)
                    x_bytes = builder.bitcast(x, factors.type)
                    builder.store(add_products(builder, x, factors, x_bytes, path, nibbles=True), total)
            result = simd.constant(kind, 0)
            for total in sums:
                result = builder.add(result, builder.load(total))
            name = f"llvm.vector.reduce.add.v{path.lanes}i32"
            return builder.sitofp(simd.call(builder, name, simd.i32, result), simd.f64)

        return types.float64(types.int64, types.float64, types.float64), codegen

    return chains


@cache
def _kernel(dtype: str):
    chains = _byte_chains() if dtype == INT8 else _chains(dtype)

    @njit(types.float64(types.int64, types.float64, types.float64), nogil=True)
    def serial(rounds, a, b):
        return chains(rounds, a, b)

    @njit(types.float64(types.int64, types.float64, types.float64, types.int64), nogil=True, parallel=True)
    def parallel(rounds, a, b, threads):
        total = 0.0
        for _ in prange(threads):
            total += chains(rounds, a, b)
        return total

    return serial, parallel


def fma(dtype: str, rounds: int, threads: int) -> float:
    """Run the loop; see ``lessons.kernels.fma``."""
    serial, parallel = _kernel(dtype)
    # The operands are passed in, or the compiler would work the loop out by itself.
    factor = BYTES_FACTOR if dtype == INT8 else 0.5
    return serial(rounds, factor, 0.5) if threads == 1 else parallel(rounds, factor, 0.5, threads)
