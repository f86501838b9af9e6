"""Attention of a few new tokens over a KV cache, contiguous or paged, on the CPU or a CUDA device."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["decode", "paged_decode"]


def decode(q: Any, k: Any, v: Any, length: int) -> Any:
    """Attend with the ``m`` newest of ``length`` tokens over keys and values that lie in one run a head.

    Args:
        q: float32 [m, heads, d]; row i is the token at position ``length - m + i``.
        k, v: float32 [kv_heads, max_len, d]; the first ``length`` tokens are valid.
        length: tokens to see, for the last row; row i is blind to the tokens after it.

    All are NumPy arrays, or torch tensors on one device; k and v have no gaps. ``d`` is a multiple of 16.

    Returns:
        [m, heads, d] of q's kind: softmax(q k / sqrt(d)) v, query head h reading K/V head h // (heads / kv_heads).

    Raises:
        ValueError: for shapes, types or a length that do not fit.

    Source:
        Grouped queries: Ainslie et al. 2023, arXiv:2305.13245. The softmax is the plain three passes (largest,
        exponentials, sum) over one head's scores, which stay in the cache.
    """
    if getattr(q, "is_cuda", False):
        from lessons.kernels.attention import cuda

        return cuda.decode(q, k, v, length)
    from lessons.kernels.attention import cpu

    if len(k.shape) != 3:
        raise ValueError(f"k must be [kv_heads, max_len, d], got the shape {tuple(k.shape)}")
    return _attend(q, k, v, cpu.ONE_BLOCK, length, k.shape[1], k.shape[1])


def paged_decode(q: Any, k_pool: Any, v_pool: Any, block_table: Any, length: int) -> Any:
    """Attend with the ``m`` newest of ``length`` tokens over keys and values that lie in blocks of a pool.

    Args:
        q: float32 [m, heads, d]; row i is the token at position ``length - m + i``.
        k_pool, v_pool: float32 [kv_heads, num_blocks, block_size, d]. Neighbouring blocks of a head are
            neighbours in memory, exactly as in a contiguous cache.
        block_table: int32 [blocks]: where the sequence's blocks lie; at least length / block_size of them.
        length: tokens to see, for the last row.

    Returns, raises:
        As ``decode``; a block outside the pool is a ValueError too.

    Source:
        Kwon et al. 2023, arXiv:2309.06180, section 4.1, with separate pools for keys and values.
    """
    if getattr(q, "is_cuda", False):
        from lessons.kernels.attention import cuda

        return cuda.paged_decode(q, k_pool, v_pool, block_table, length)
    if len(k_pool.shape) != 4:
        raise ValueError(f"k_pool must be [kv_heads, num_blocks, block_size, d], got {tuple(k_pool.shape)}")
    from lessons.kernels.attention import cpu

    num_blocks, block_size = k_pool.shape[1:3]
    table = np.ascontiguousarray(block_table, np.int32)
    needed = -(-length // block_size)
    if len(table) < needed:
        raise ValueError(f"{length} tokens need {needed} blocks of {block_size}, the table has {len(table)}")
    if not cpu.fits(table, needed, num_blocks):
        raise ValueError(f"the block table names a block outside the pool of {num_blocks}")
    return _attend(q, k_pool, v_pool, table, length, block_size, num_blocks * block_size)


def _attend(q, k, v, table, length: int, block_size: int, pool_tokens: int):
    from lessons.kernels.attention import cpu

    m, heads, dim = q.shape
    kv_heads = k.shape[0]
    if k.shape != v.shape or k.shape[-1] != dim or heads % kv_heads:
        raise ValueError(f"q {tuple(q.shape)}, k {tuple(k.shape)} and v {tuple(v.shape)} do not fit together")
    if dim % 16:
        raise ValueError(f"a head has {dim} channels; this kernel takes multiples of 16")
    if not 0 < m <= length <= len(table) * block_size:
        raise ValueError(f"{m} new of {length} tokens do not fit in {len(table)} blocks of {block_size}")
    if any(not str(x.dtype).endswith("float32") for x in (q, k, v)):
        raise ValueError(f"attention takes float32, got {q.dtype}, {k.dtype} and {v.dtype}")
    if not (_dense(k) and _dense(v)):
        raise ValueError("k and v must be contiguous in memory, or their slice for one layer must be")
    if isinstance(q, np.ndarray):
        q = np.ascontiguousarray(q)
        out = np.empty_like(q)
    else:
        q = q.contiguous()
        out = q.new_empty(q.shape)
    cpu.kernel(dim)(
        _address(q), _address(k), _address(v), _address(out), table,
        m, heads, kv_heads, length, block_size, pool_tokens,
    )  # fmt: skip
    return out


def _dense(x) -> bool:
    return x.flags.c_contiguous if isinstance(x, np.ndarray) else x.is_contiguous()


def _address(x) -> int:
    return x.ctypes.data if isinstance(x, np.ndarray) else x.data_ptr()
