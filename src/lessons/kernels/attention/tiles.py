"""The four vector loops of attention, as intrinsics on float32 addresses: scale, scores, softmax, values.

Several query rows share every key and value that is loaded: the three query heads of a K/V head, or those heads
times the tokens that are verified at once. Their number is fixed when an intrinsic is built, so that the sums of
all rows stay in registers. All of it is portable vector IR, and only the width depends on the target.
"""

from __future__ import annotations

import math
from functools import cache

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lessons.kernels.tools import simd
from lessons.kernels.tools.exponential import exp2

TOKENS = 4  # keys scored together: four sums are added across their lanes for the price of one and a half
FLOAT = 4  # bytes


def lanes() -> int:
    """Return the floats of one vector."""
    return simd.vector_bytes() // FLOAT


def max_rows() -> int:
    """Return the query rows of one tile: rows times TOKENS sums must fit in the registers (32 or 16)."""
    return 5 if simd.vector_bytes() == 64 else 3


def _vector():
    return simd.vector(simd.f32, lanes())


def _at(builder, base, number: int | ir.Value, size: int):
    """Return base + number * size bytes."""
    return builder.add(base, builder.mul(number, simd.i64(size)))


def _void(count: int):
    return types.void(*[types.int64] * count)


@cache
def scale(dim: int):
    """Build ``scale(source, target, factor)``: target = factor * source, ``dim`` floats."""

    @intrinsic
    def run(typing, source, target, factor):
        def codegen(context, builder, signature, args):
            source, target, factor = args
            factors = simd.splat(builder, builder.fptrunc(factor, simd.f32), lanes())
            for place in range(0, dim * FLOAT, simd.vector_bytes()):
                x = simd.load(builder, simd.offset(builder, source, place), _vector(), FLOAT)
                simd.store(builder, builder.fmul(x, factors), simd.offset(builder, target, place), FLOAT)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.float64), codegen

    return run


@cache
def scores(dim: int, rows: int):
    """Build ``scores(q, k, count, out, stride, ahead, lines)``: products of ``rows`` queries with ``count`` keys.

    ``q`` is [rows, dim] and ``k`` [count, dim], both without gaps; row r is written to out + r * stride bytes.
    With every ``TOKENS`` keys so many cache lines are fetched, from ``ahead`` bytes further on.
    """

    @intrinsic
    def run(typing, q, k, count, out, stride, ahead, lines):
        def codegen(context, builder, signature, args):
            q, k, count, out, stride, ahead, lines = args
            whole = builder.and_(count, simd.i64(-TOKENS))

            def products(first, tokens):
                """Return for each row and token the vector of partial sums over the head's channels."""
                sums = [[None] * tokens for _ in range(rows)]
                base = _at(builder, k, first, dim * FLOAT)
                _prefetch(builder, base, ahead, lines)
                for place in range(0, dim * FLOAT, simd.vector_bytes()):
                    keys = [_load(builder, base, t * dim * FLOAT + place) for t in range(tokens)]
                    for r in range(rows):
                        query = _load(builder, q, r * dim * FLOAT + place)
                        for t, key in enumerate(keys):
                            old = sums[r][t]
                            sums[r][t] = (
                                builder.fmul(query, key)
                                if old is None
                                else simd.multiply_add(builder, query, key, old)
                            )
                return sums

            def place_of(row, first):
                shift = builder.add(builder.mul(stride, simd.i64(row)), builder.mul(first, simd.i64(FLOAT)))
                return builder.add(out, shift)

            with cgutils.for_range_slice(builder, simd.i64(0), whole, simd.i64(TOKENS), inc=True) as (i, _):
                for r, partial in enumerate(products(i, TOKENS)):
                    simd.store(builder, _sum_lanes(builder, partial), place_of(r, i), FLOAT)
            with cgutils.for_range_slice(builder, whole, count, simd.i64(1), inc=True) as (i, _):
                for r, partial in enumerate(products(i, 1)):
                    simd.store(builder, simd.reduce_add(builder, partial[0]), place_of(r, i), FLOAT)
            return context.get_dummy_value()

        return _void(7), codegen

    return run


@cache
def values(dim: int, rows: int):
    """Build ``values(p, stride, v, count, out, ahead, lines)``: out += p v for ``rows`` rows of weights.

    Row r of the weights lies at p + r * stride bytes; ``v`` is [count, dim] and ``out`` [rows, dim], without gaps.
    With every value so many cache lines are fetched, from ``ahead`` bytes further on.
    """
    vectors = dim // lanes()
    # A strip is so many columns that all its sums stay in registers; a power of two divides any head dimension
    # that this kernel takes.
    budget = 20 if simd.vector_bytes() == 64 else 12
    strip = min(vectors, 1 << (budget // rows).bit_length() - 1)
    while vectors % strip:
        strip //= 2

    @intrinsic
    def run(typing, p, stride, v, count, out, ahead, lines):
        def codegen(context, builder, signature, args):
            p, stride, v, count, out, ahead, lines = args
            size = simd.vector_bytes()
            for left in range(0, vectors, strip):
                places = [(left + c) * size for c in range(strip)]
                sums = {
                    (r, place): cgutils.alloca_once(builder, _vector())
                    for r in range(rows)
                    for place in places
                }
                for (r, place), total in sums.items():
                    builder.store(_load(builder, out, r * dim * FLOAT + place), total)
                with cgutils.for_range(builder, count, intp=simd.i64) as loop:
                    row = _at(builder, v, loop.index, dim * FLOAT)
                    if not left:
                        _prefetch(builder, row, ahead, lines)
                    columns = {place: _load(builder, row, place) for place in places}
                    weights = _at(builder, p, loop.index, FLOAT)
                    for r in range(rows):
                        address = builder.add(weights, builder.mul(stride, simd.i64(r)))
                        weight = simd.splat(builder, simd.load(builder, address, simd.f32, FLOAT), lanes())
                        for place, column in columns.items():
                            total = sums[r, place]
                            builder.store(
                                simd.multiply_add(builder, weight, column, builder.load(total)), total
                            )
                for (r, place), total in sums.items():
                    target = simd.offset(builder, out, r * dim * FLOAT + place)
                    simd.store(builder, builder.load(total), target, FLOAT)
            return context.get_dummy_value()

        return _void(7), codegen

    return run


@intrinsic
def softmax(typing, row, seen, count):
    """Replace ``count`` scores by 2^(score - largest) in place; return the largest, and their sum, as float64.

    Only the first ``seen`` count, one at least; the others become 0. ``count`` is a multiple of ``lanes()``.
    """

    def codegen(context, builder, signature, args):
        row, seen, count = args
        kind, none = _vector(), simd.constant(_vector(), -math.inf)
        whole = builder.and_(seen, simd.i64(-lanes()))
        places = ir.Constant(simd.vector(simd.i64, lanes()), list(range(lanes())))

        def each(body):
            """Build ``body(address, scores)`` for all vectors. Those at the end are -inf from ``seen`` on."""
            ranges = (simd.i64(0), whole), (whole, count)
            for masked, (first, last) in enumerate(ranges):
                with cgutils.for_range_slice(builder, first, last, simd.i64(lanes()), inc=True) as (i, _):
                    address = _at(builder, row, i, FLOAT)
                    x = _load(builder, address, 0)
                    if masked:
                        left = simd.splat(builder, builder.sub(seen, i), lanes())
                        x = builder.select(builder.icmp_signed("<", places, left), x, none)
                    body(address, x)

        largest = cgutils.alloca_once_value(builder, none)

        def compare(address, x):
            best = builder.load(largest)
            builder.store(builder.select(builder.fcmp_ordered(">", x, best), x, best), largest)

        each(compare)
        top = _largest_lane(builder, builder.load(largest))
        tops = simd.splat(builder, top, lanes())
        total = cgutils.alloca_once_value(builder, simd.constant(kind, 0.0))

        def weigh(address, x):
            weight = exp2(builder, builder.fsub(x, tops))
            simd.store(builder, weight, address, FLOAT)
            builder.store(builder.fadd(builder.load(total), weight), total)

        each(weigh)
        sum_ = simd.reduce_add(builder, builder.load(total))
        return context.make_tuple(
            builder, signature.return_type, [builder.fpext(x, simd.f64) for x in (top, sum_)]
        )

    return types.UniTuple(types.float64, 2)(*[types.int64] * 3), codegen


def _prefetch(builder, base, ahead, lines):
    """Ask for so many cache lines from ``ahead`` bytes behind ``base`` on.

    The processor's own prefetchers stop at the end of a page, and cannot know where the next block lies.
    """
    first = builder.add(base, ahead)
    with cgutils.for_range(builder, lines, intp=simd.i64) as loop:
        simd.prefetch(builder, _at(builder, first, loop.index, simd.CACHE_LINE))


def _load(builder, base, place: int):
    return simd.load(builder, simd.offset(builder, base, place), _vector(), FLOAT)


def _shuffle(builder, a, b, order):
    return builder.shuffle_vector(a, b, ir.Constant(simd.vector(simd.i32, len(order)), list(order)))


def _sum_lanes(builder, vectors):
    """Return one short vector: the sum of the lanes of each of four ``vectors``.

    First within groups of four lanes, where x86 shuffles in one step: two steps leave in every group a part of each
    of the four sums. Then the groups are folded onto each other.
    """
    a, b, c, d = vectors
    groups = range(0, a.type.count, 4)

    def interleaved(x, y, places):
        """Add x's and y's lanes of each group: ``places`` are the lanes that meet, y's counted from 4 on."""
        order = [[g + p % 4 + p // 4 * x.type.count for g in groups for p in half] for half in places]
        return builder.fadd(*(_shuffle(builder, x, y, half) for half in order))

    across = ((0, 4, 1, 5), (2, 6, 3, 7))
    total = interleaved(interleaved(a, b, across), interleaved(c, d, across), ((0, 1, 4, 5), (2, 3, 6, 7)))
    while total.type.count > 4:
        half = total.type.count // 2
        low, high = (_shuffle(builder, total, total, range(at, at + half)) for at in (0, half))
        total = builder.fadd(low, high)
    return total


def _largest_lane(builder, value):
    while value.type.count > 1:
        half = value.type.count // 2
        a = _shuffle(builder, value, value, range(half))
        b = _shuffle(builder, value, value, range(half, 2 * half))
        value = builder.select(builder.fcmp_ordered(">", a, b), a, b)
    return builder.extract_element(value, simd.i32(0))
