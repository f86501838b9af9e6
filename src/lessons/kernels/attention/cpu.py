"""Attention for the CPU: one pass over the keys, a softmax, one pass over the values, stretch by stretch.

A sequence is a list of blocks in a pool. Blocks that lie side by side are read as one stretch, so that the vector
loops and the hardware's prefetchers see one stream; adjacency pays off in nothing else. A contiguous cache is the
case of a single block.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import carray, types

from lessons.kernels.attention import tiles
from lessons.kernels.tools.addresses import pointer
from lessons.kernels.tools.exponential import LOG2_E
from lessons.kernels.tools.jit import njit
from lessons.kernels.tools.simd import CACHE_LINE

STRETCH = 64  # tokens read at a time: their keys stay in the first-level cache for all query rows
WIDEST = 16  # floats of the widest vector of any target
ONE_BLOCK = np.zeros(1, np.int32)  # the block table of a contiguous cache


@njit(types.UniTuple(types.int64, 2)(types.int32[::1], types.int64, types.int64, types.int64), nogil=True)
def stretch(table, position, length, block_size):
    """Return where token ``position`` lies in the pool, and how many tokens from there on lie side by side."""
    block = position // block_size
    place = table[block] * block_size + position % block_size
    end = (block + 1) * block_size
    limit = min(length, position + STRETCH)
    while end < limit and table[block + 1] == table[block] + 1:
        block += 1
        end += block_size
    return place, min(end, limit) - position


@njit(types.boolean(types.int32[::1], types.int64, types.int64), nogil=True)
def fits(table, needed, num_blocks):
    """Tell whether the first ``needed`` blocks of a table lie in a pool of ``num_blocks``."""
    inside = True
    for block in table[:needed]:
        inside &= 0 <= block < num_blocks
    return inside


@njit(types.void(types.float32[::1]), nogil=True)
def keep(array):
    """Use an array once more. Numba frees it after its last use, and the use of its address is none."""


@njit(types.int64(types.int64, types.int64, types.int64), nogil=True)
def scratch_floats(dim, rows, tokens):
    """Return the float32 that ``attend_part`` needs for so many query rows of a K/V head and tokens at most."""
    weights = -(-tokens // WIDEST) * WIDEST
    return rows * (2 * dim + weights) + CACHE_LINE // tiles.FLOAT


@cache
def partial(dim: int) -> Callable:
    """Return the compiled ``attend_part`` for heads of ``dim`` floats, a multiple of the vector.

    ``attend_part(q, k, v, out, stats, scratch, table, m, heads, kv_heads, length, block_size, pool_tokens, head,
    begin, end)`` takes the addresses of float32 arrays q and out [m, heads, dim], stats [m, heads, 2], k and v
    [kv_heads, pool_tokens, dim], of ``scratch_floats(dim, m * heads / kv_heads, end - begin)`` more, and the table as
    int32 array. It does one K/V head, and the tokens from ``begin`` to before ``end``, so that threads may share the
    work. Each query row must see one of them or more. Written are the sum of exp(score - largest) times value, and in
    stats the largest score and the sum of the exponentials. It allocates nothing, and so cannot fail.

    Source:
        Dao et al. 2023, Flash-Decoding: parts of the tokens, merged by their largest scores and sums.
    """
    scale, softmax = tiles.scale(dim), tiles.softmax
    score1, score2, score3, score4, score5 = (tiles.scores(dim, rows) for rows in range(1, 6))
    value1, value2, value3, value4, value5 = (tiles.values(dim, rows) for rows in range(1, 6))
    lanes, max_rows = tiles.lanes(), tiles.max_rows()
    row_bytes = dim * tiles.FLOAT
    lines_of_value = -(-row_bytes // CACHE_LINE)
    lines_of_keys = -(-tiles.TOKENS * row_bytes // CACHE_LINE)
    shrink = dim**-0.5 * LOG2_E  # powers of 2 take less work than powers of e

    @njit(types.void(*[types.int64] * 8), nogil=True)
    def scores(rows, q, k, count, out, stride, ahead, lines):
        if rows == 1:
            score1(q, k, count, out, stride, ahead, lines)
        elif rows == 2:
            score2(q, k, count, out, stride, ahead, lines)
        elif rows == 3:
            score3(q, k, count, out, stride, ahead, lines)
        elif rows == 4:
            score4(q, k, count, out, stride, ahead, lines)
        else:
            score5(q, k, count, out, stride, ahead, lines)

    @njit(types.void(*[types.int64] * 8), nogil=True)
    def values(rows, p, stride, v, count, out, ahead, lines):
        if rows == 1:
            value1(p, stride, v, count, out, ahead, lines)
        elif rows == 2:
            value2(p, stride, v, count, out, ahead, lines)
        elif rows == 3:
            value3(p, stride, v, count, out, ahead, lines)
        elif rows == 4:
            value4(p, stride, v, count, out, ahead, lines)
        else:
            value5(p, stride, v, count, out, ahead, lines)

    @njit(types.void(*[types.int64] * 6, types.int32[::1], *[types.int64] * 9), nogil=True)
    def attend_part(
        q,
        k,
        v,
        out,
        stats,
        scratch,
        table,
        m,
        heads,
        kv_heads,
        length,
        block_size,
        pool_tokens,
        head,
        begin,
        end,
    ):
        # Row by row: the query heads of this K/V head, token after token. They are done tile by tile,
        # the first tiles larger by a row if need be. (Few divisions: each takes as long as a vector's exponential.)
        group = heads // kv_heads
        rows = m * group
        row_tiles = -(-rows // max_rows)
        least, larger = rows // row_tiles, rows % row_tiles
        stride = -(-(end - begin) // lanes) * lanes
        # Queries, sums and weights, from a cache line's beginning: a vector across two lines costs two accesses.
        q_at = (scratch + CACHE_LINE - 1) & -CACHE_LINE
        o_at = q_at + rows * row_bytes
        p_at = o_at + rows * row_bytes
        p_bytes = stride * tiles.FLOAT
        carray(pointer(o_at), (rows * dim,))[:] = 0
        summary = carray(pointer(stats), (m, heads, 2))
        base = head * pool_tokens * row_bytes
        first_head = head * group * row_bytes
        for token in range(m):
            place = q + token * heads * row_bytes + first_head
            for row in range(token * group, (token + 1) * group):
                scale(place, q_at + row * row_bytes, shrink)
                place += row_bytes

        # While one stretch is read the next is fetched; after the last keys come the first values. All tiles take
        # turns at the same stretch, and each fetches its share: memory delivers a line at a time.
        key_lines, value_lines = -(-lines_of_keys // row_tiles), -(-lines_of_value // row_tiles)
        position = begin
        first, count = stretch(table, position, end, block_size)
        first_values = v + base + first * row_bytes
        keys = k + base + first * row_bytes
        while position < end:
            target = p_at + (position - begin) * 4
            position += count
            now, following = count, first_values
            if position < end:
                first, count = stretch(table, position, end, block_size)
                following = k + base + first * row_bytes
            row = 0
            for tile in range(row_tiles):
                n = least + (tile < larger)
                before = tile * key_lines
                ahead = following - keys + before * CACHE_LINE
                lines = max(0, min(key_lines, lines_of_keys - before))
                scores(n, q_at + row * row_bytes, keys, now, target + row * p_bytes, p_bytes, ahead, lines)
                row += n
            keys = following

        for token in range(m):
            seen = min(end, length - m + token + 1) - begin  # the tokens up to this one
            for inside in range(group):
                row = token * group + inside
                largest, total = softmax(p_at + row * p_bytes, seen, stride)
                summary[token, head * group + inside, 0] = largest / LOG2_E
                summary[token, head * group + inside, 1] = total

        position = begin
        first, count = stretch(table, position, end, block_size)
        column = first_values
        while position < end:
            source = p_at + (position - begin) * 4
            position += count
            now, following, fetched = count, column, 0
            if position < end:
                first, count = stretch(table, position, end, block_size)
                following, fetched = v + base + first * row_bytes, value_lines
            row = 0
            for tile in range(row_tiles):
                n = least + (tile < larger)
                before = tile * value_lines
                ahead = following - column + before * CACHE_LINE
                lines = max(0, min(fetched, lines_of_value - before))
                values(n, source + row * p_bytes, p_bytes, column, now, o_at + row * row_bytes, ahead, lines)
                row += n
            column = following

        for token in range(m):
            place = out + token * heads * row_bytes + first_head
            for row in range(token * group, (token + 1) * group):
                scale(o_at + row * row_bytes, place, 1.0)
                place += row_bytes

    return attend_part


@cache
def kernel(dim: int) -> Callable:
    """Return the compiled ``attend(q, k, v, out, table, m, heads, kv_heads, length, block_size, pool_tokens)``.

    Its arguments are those of ``partial``; ``out`` is the whole result.
    """
    attend_part, scale = partial(dim), tiles.scale(dim)

    @njit(types.void(*[types.int64] * 4, types.int32[::1], *[types.int64] * 6), nogil=True)
    def attend(q, k, v, out, table, m, heads, kv_heads, length, block_size, pool_tokens):
        stats = np.empty((m * heads, 2), np.float32)
        scratch = np.empty(scratch_floats(dim, m * (heads // kv_heads), length), np.float32)
        for head in range(kv_heads):
            attend_part(
                q, k, v, out, stats.ctypes.data, scratch.ctypes.data, table,
                m, heads, kv_heads, length, block_size, pool_tokens, head, 0, length,
            )  # fmt: skip
        for row in range(m * heads):
            place = out + row * dim * tiles.FLOAT
            scale(place, place, 1.0 / stats[row, 1])
        keep(scratch)

    return attend
