"""Decode attention for CUDA: the tokens are split among blocks, each keeps a running softmax, a merge follows.

A contiguous cache is a paged one with a single block, so both run the same code.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from numba import cuda, float32

from lessons.kernels.tools import device

TILE = 32  # tokens whose keys lie in shared memory at a time


@cache
def partial(dim: int) -> Any:
    """Return the kernel that attends over one stretch of the tokens, for heads of ``dim`` channels.

    Its grid is (heads, rows, stretches), and its blocks have ``dim`` threads: one a channel of the result.
    Query heads that share keys have neighbouring blocks, which meet them in the L2 cache.

    Arguments of the kernel:
        q: [m, heads, dim]. k, v: [kv_heads, pool tokens, dim]. table: int32, places of the blocks.
        length, block_size, stretch: tokens.
        out: [m, heads, stretches, dim], weighted sums of v, not yet divided.
        stats: [m, heads, stretches, 2], largest score and sum of the weights.

    Source:
        Running softmax: Milakov and Gimelshein 2018, arXiv:1805.02867. Split over the tokens: Flash-Decoding
        (Dao et al., 2023).
    """
    width = dim + 1  # one more than the head, so that a column of keys falls into different banks
    scale = 1 / math.sqrt(dim)

    @cuda.jit
    def attend(q, k, v, table, length, block_size, stretch, out, stats):
        keys = cuda.shared.array((TILE, width), float32)
        query = cuda.shared.array(dim, float32)
        weights = cuda.shared.array(TILE, float32)
        head, row, part = cuda.blockIdx.x, cuda.blockIdx.y, cuda.blockIdx.z
        me = cuda.threadIdx.x
        kv_head = head // (q.shape[1] // k.shape[0])
        query[me] = q[row, head, me] * float32(scale)
        first = part * stretch
        last = min(first + stretch, length - q.shape[0] + row + 1)
        largest = float32(-math.inf)
        total = float32(0.0)
        value = float32(0.0)
        for start in range(first, last, TILE):
            count = min(TILE, last - start)
            for t in range(count):
                token = start + t
                place = table[token // block_size] * block_size + token % block_size
                keys[t, me] = k[kv_head, place, me]
            cuda.syncthreads()
            for t in range(me, count, dim):
                score = float32(0.0)
                for c in range(dim):
                    score += query[c] * keys[t, c]
                weights[t] = score
            cuda.syncthreads()
            before = largest
            for t in range(count):
                largest = max(largest, weights[t])
            cuda.syncthreads()
            for t in range(me, count, dim):
                weights[t] = math.exp(weights[t] - largest)
            cuda.syncthreads()
            fade = math.exp(before - largest)
            total *= fade
            value *= fade
            for t in range(count):
                token = start + t
                place = table[token // block_size] * block_size + token % block_size
                total += weights[t]
                value += weights[t] * v[kv_head, place, me]
            cuda.syncthreads()
        out[row, head, part, me] = value
        if me == 0:
            stats[row, head, part, 0] = largest
            stats[row, head, part, 1] = total

    return attend


@cuda.jit
def merge(partials, stats, out):
    """Weigh the stretches of one row and head by their largest scores, and divide; one thread a channel."""
    head, row = cuda.blockIdx.x, cuda.blockIdx.y
    me = cuda.threadIdx.x
    largest = stats[row, head, 0, 0]
    for part in range(1, stats.shape[2]):
        largest = max(largest, stats[row, head, part, 0])
    total = float32(0.0)
    value = float32(0.0)
    for part in range(stats.shape[2]):
        # A stretch that a row may not see at all has the score minus infinity, and so the weight 0.
        weight = math.exp(stats[row, head, part, 0] - largest)
        total += weight * stats[row, head, part, 1]
        value += weight * partials[row, head, part, me]
    out[row, head, me] = value / total


def decode(q: Any, k: Any, v: Any, length: int) -> Any:
    """Attend over a contiguous cache; see ``lessons.kernels.attention``."""
    table = q.new_zeros(1).int()
    return _attend(q, k, v, table, length, k.shape[1])


def paged_decode(q: Any, k_pool: Any, v_pool: Any, block_table: Any, length: int) -> Any:
    """Attend over a pool's blocks; see ``lessons.kernels.attention``.

    The numbers in the table are not checked: reading them would make the host wait for the device.
    """
    import torch

    kv_heads, _, block_size, dim = k_pool.shape
    table = torch.as_tensor(block_table, dtype=torch.int32, device=q.device).contiguous()
    k, v = (pool.view(kv_heads, -1, dim) for pool in (k_pool, v_pool))
    return _attend(q, k, v, table, length, block_size)


def _attend(q: Any, k: Any, v: Any, table: Any, length: int, block_size: int) -> Any:
    import torch

    if q.dim() != 3 or k.dim() != 3 or k.shape != v.shape:
        raise ValueError(f"q {tuple(q.shape)}, k {tuple(k.shape)} and v {tuple(v.shape)} do not fit together")
    m, heads, dim = q.shape
    if k.shape[2] != dim or heads % k.shape[0] or dim % 16 or dim > 256:
        raise ValueError(
            f"{heads} heads of {dim} channels do not fit {k.shape[0]} K/V heads of {k.shape[2]}; "
            "heads must be a multiple of K/V heads, and channels a multiple of 16 up to 256"
        )
    if any(x.dtype != torch.float32 for x in (q, k, v)):
        raise ValueError(f"attention takes float32, got {q.dtype}, {k.dtype} and {v.dtype}")
    if not 0 < m <= length <= min(k.shape[1], len(table) * block_size):
        raise ValueError(f"{m} new of {length} tokens do not fit in {len(table)} blocks of {block_size}")
    q = q.contiguous()
    stretches = _stretches(m * heads, length)
    stretch = -(-length // (stretches * TILE)) * TILE
    partials = q.new_empty(m, heads, stretches, dim)
    stats = q.new_empty(m, heads, stretches, 2)
    out = q.new_empty(m, heads, dim)
    device.launch(
        partial(dim), (heads, m, stretches), dim, q, k, v, table, length, block_size, stretch, partials, stats
    )
    device.launch(merge, (heads, m), dim, partials, stats, out)
    return out


def _stretches(pairs: int, length: int) -> int:
    """Return how many blocks share one row and head: enough to fill the device, a tile each at least."""
    wanted = -(-8 * device.processors() // pairs)
    return max(1, min(wanted, -(-length // TILE)))
