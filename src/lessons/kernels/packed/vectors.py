"""What both arithmetics share: the loop over a tile's blocks, broadcasts and scattered stores."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lessons.kernels.packed.formats import Format
from lessons.kernels.tools import simd
from lessons.kernels.tools.product import TILE

FLOAT = 4  # bytes
# Bytes ahead of the loop that memory is asked for. Intel's own prefetchers do not look past the end of a page, and
# the many instructions of a block leave the processor's window no room to run ahead itself. AMD's need no help, and
# asking them all the same makes a token of the book's model take a tenth longer (Zen 4).
AHEAD = 4096


@contextmanager
def loop(builder, count: int):
    """Repeat what is built inside ``count`` times; yield the index, a constant when there is one pass only."""
    if count == 1:
        yield simd.i64(0)
    else:
        with cgutils.for_range(builder, simd.i64(count), intp=simd.i64) as made:
            yield made.index


def variable(builder, value):
    """Return a place that holds ``value`` and may change in loops; LLVM keeps it in a register."""
    place = cgutils.alloca_once(builder, value.type)
    builder.store(value, place)
    return place


def times(builder, value, factor: int):
    """Return value * factor for an int64."""
    return builder.mul(value, simd.i64(factor))


def load_words(builder, words, j, lanes: int):
    """Load the codes' word j for ``lanes`` rows."""
    # Blocks are multiples of 32 bytes, not of 64.
    return simd.load(
        builder, builder.add(words, times(builder, j, 4 * TILE)), simd.vector(simd.i32, lanes), 16
    )


def broadcast(builder, address, element: ir.Type, count: int):
    """Load one 32-bit number and repeat it in ``count`` lanes."""
    return simd.splat(builder, simd.load(builder, address, element, 4), count)


def put(builder, value, address):
    """Store one 32-bit number."""
    simd.store(builder, value, address, 4)


def scatter(builder, values, address, stride):
    """Store the lanes of a vector of 32-bit numbers ``stride`` bytes apart."""
    for lane in range(values.type.count):
        put(builder, builder.extract_element(values, simd.i32(lane)), address)
        address = builder.add(address, stride)


def tile(add_block: Callable, format: Format, rows: int, lanes: int, record: int):
    """Build the intrinsic ``tile(weights, prepared, y, blocks, leading)`` of either arithmetic.

    Args:
        add_block: ``add_block(builder, words, scales, prepared, totals)`` builds one block for ``lanes`` of the
            16 outputs: it adds to ``totals``, pointers to a vector for each row, what the codes at ``words`` and
            the scales at ``scales`` make with the activations at ``prepared``.
        format, rows: of the weights and of x.
        lanes: of a vector; a tile has 16 / lanes parts.
        record: bytes of the prepared activations of one block.
    """
    parts = TILE // lanes
    floats = simd.vector(simd.f32, lanes)

    @intrinsic
    def run(typing, weights, prepared, y, blocks, leading):
        def codegen(context, builder, signature, args):
            weights, prepared, y, blocks, leading = args
            # With one part the indices are constants, and the totals become registers.
            memory = cgutils.alloca_once(builder, ir.ArrayType(ir.ArrayType(floats, rows), parts))

            def totals(part):
                return [builder.gep(memory, [simd.i64(0), part, simd.i64(row)]) for row in range(rows)]

            with loop(builder, parts) as part:
                for total in totals(part):
                    builder.store(simd.constant(floats, 0.0), total)
            with cgutils.for_range(builder, blocks, intp=simd.i64) as block:
                w = builder.add(weights, times(builder, block.index, format.block_bytes))
                x = builder.add(prepared, times(builder, block.index, record))
                for line in range(0, 0 if simd.is_amd() else format.block_bytes, simd.CACHE_LINE):
                    simd.prefetch(builder, simd.offset(builder, w, AHEAD + line), level=1)
                with loop(builder, parts) as part:
                    words = builder.add(w, times(builder, part, 4 * lanes))
                    scales = builder.add(w, times(builder, part, 2 * lanes))
                    scales = simd.offset(builder, scales, format.scales_at)
                    add_block(builder, words, scales, x, totals(part))
            with loop(builder, parts) as part:
                for row, total in enumerate(totals(part)):
                    line = builder.add(y, times(builder, leading, row * FLOAT))
                    place = builder.add(line, times(builder, part, lanes * FLOAT))
                    simd.store(builder, builder.load(total), place, FLOAT)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 5), codegen

    return run
