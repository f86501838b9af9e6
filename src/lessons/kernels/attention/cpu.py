"""Attention for the CPU: one pass over the keys, a softmax, one pass over the values, stretch by stretch.

A sequence is a list of blocks in a pool. Blocks that lie side by side are read as one stretch, so that the vector
loops and the hardware's prefetchers see one stream; adjacency pays off in nothing else. A contiguous cache is the
case of a single block.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit, types

from lessons.kernels.attention import tiles

STRETCH = 64  # tokens read at a time: their keys stay in the first-level cache for all query rows
ONE_BLOCK = np.zeros(1, np.int32)  # the block table of a contiguous cache


@njit(types.UniTuple(types.int64, 2)(types.int32[::1], types.int64, types.int64, types.int64), nogil=True)
def stretch(table, position, length, block_size):
    """Return where token ``position`` lies in the pool, and how many tokens from there on lie side by side."""
    block = position // block_size
    place = table[block] * block_size + position % block_size
    end = (block + 1) * block_size
    while end < length and end - position < STRETCH and table[block + 1] == table[block] + 1:
        block += 1
        end += block_size
    return place, min(end, length, position + STRETCH) - position


@njit(types.boolean(types.int32[::1], types.int64, types.int64), nogil=True)
def fits(table, needed, num_blocks):
    """Tell whether the first ``needed`` blocks of a table lie in a pool of ``num_blocks``."""
    inside = True
    for block in table[:needed]:
        inside &= 0 <= block < num_blocks
    return inside


@cache
def kernel(dim: int) -> Callable:
    """Return the compiled ``attend`` for heads of ``dim`` floats, a multiple of the vector.

    ``attend(q, k, v, out, table, m, heads, kv_heads, length, block_size, pool_tokens, first_head, last_head)``
    takes the addresses of float32 arrays q and out [m, heads, dim], k and v [kv_heads, pool_tokens, dim], and
    the table as int32 array. It does the K/V heads from ``first_head`` to before ``last_head``, so that threads
    may share the work.
    """
    scale, softmax = tiles.scale(dim), tiles.softmax
    score1, score2, score3, score4 = (tiles.scores(dim, rows) for rows in (1, 2, 3, 4))
    value1, value2, value3, value4 = (tiles.values(dim, rows) for rows in (1, 2, 3, 4))
    lanes, max_rows = tiles.lanes(), tiles.max_rows()
    row_bytes = dim * tiles.FLOAT
    shrink = dim**-0.5

    @njit(types.void(*[types.int64] * 6), nogil=True)
    def scores(rows, q, k, count, out, stride):
        if rows == 1:
            score1(q, k, count, out, stride)
        elif rows == 2:
            score2(q, k, count, out, stride)
        elif rows == 3:
            score3(q, k, count, out, stride)
        else:
            score4(q, k, count, out, stride)

    @njit(types.void(*[types.int64] * 6), nogil=True)
    def values(rows, p, stride, v, count, out):
        if rows == 1:
            value1(p, stride, v, count, out)
        elif rows == 2:
            value2(p, stride, v, count, out)
        elif rows == 3:
            value3(p, stride, v, count, out)
        else:
            value4(p, stride, v, count, out)

    @njit(types.void(*[types.int64] * 4, types.int32[::1], *[types.int64] * 8), nogil=True)
    def attend(
        q, k, v, out, table, m, heads, kv_heads, length, block_size, pool_tokens, first_head, last_head
    ):
        group = heads // kv_heads
        rows = m * group
        parts = -(-rows // max_rows)
        stride = -(-length // lanes) * lanes
        queries = np.empty((rows, dim), np.float32)
        weights = np.empty((rows, stride), np.float32)
        mixed = np.empty((rows, dim), np.float32)
        sums = np.empty(rows, np.float64)
        q_at, p_at, o_at = queries.ctypes.data, weights.ctypes.data, mixed.ctypes.data
        p_bytes = stride * 4

        for head in range(first_head, last_head):
            base = head * pool_tokens * row_bytes
            for row in range(rows):
                place = ((row // group) * heads + head * group + row % group) * row_bytes
                scale(q + place, q_at + row * row_bytes, shrink)

            position = 0
            while position < length:
                first, count = stretch(table, position, length, block_size)
                keys = k + base + first * row_bytes
                row = 0
                for part in range(parts):
                    n = -(-(rows - row) // (parts - part))
                    scores(
                        n, q_at + row * row_bytes, keys, count, p_at + row * p_bytes + position * 4, p_bytes
                    )
                    row += n
                position += count

            mixed[:] = 0
            for row in range(rows):
                weights[row, length - m + row // group + 1 :] = -np.inf  # the tokens after this row's own
                sums[row] = softmax(p_at + row * p_bytes, stride)

            position = 0
            while position < length:
                first, count = stretch(table, position, length, block_size)
                column = v + base + first * row_bytes
                row = 0
                for part in range(parts):
                    n = -(-(rows - row) // (parts - part))
                    values(
                        n, p_at + row * p_bytes + position * 4, p_bytes, column, count, o_at + row * row_bytes
                    )
                    row += n
                position += count

            for row in range(rows):
                place = ((row // group) * heads + head * group + row % group) * row_bytes
                scale(o_at + row * row_bytes, out + place, 1.0 / sums[row])

    return attend
