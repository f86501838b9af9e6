"""The rotation on addresses: the pairs of one tile of outputs at a time."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lessons.kernels.tools import simd
from lessons.kernels.tools.product import TILE


@intrinsic
def rotate(typing, source, turns, target):
    """Multiply the TILE / 2 complex64 at ``source`` by those at ``turns`` and write them to ``target``.

    Source:
        Su et al. 2021, arXiv:2104.09864, RoFormer, section 3.4.2. Pairs lie side by side, as in Llama's own files.
    """

    def codegen(context, builder, signature, args):
        kind = simd.vector(simd.f32, TILE)
        x, turn = (simd.load(builder, address, kind, 4) for address in args[:2])

        def lanes(value, places):
            return builder.shuffle_vector(value, value, ir.Constant(simd.vector(simd.i32, TILE), places))

        # (a + bi)(c + di) = ac - bd + (bc + ad)i: the pairs times c, and the pairs crosswise times -d and d.
        c = lanes(turn, [lane & ~1 for lane in range(TILE)])
        d = lanes(turn, [lane | 1 for lane in range(TILE)])
        signed = builder.fmul(d, ir.Constant(kind, [-1.0, 1.0] * (TILE // 2)))
        crossed = lanes(x, [lane ^ 1 for lane in range(TILE)])
        simd.store(builder, simd.multiply_add(builder, crossed, signed, builder.fmul(x, c)), args[2], 4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen
