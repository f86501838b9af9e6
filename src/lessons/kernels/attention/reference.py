"""Attention of the newest tokens as NumPy writes it, in float64: the answer that the fast ones must give."""

from __future__ import annotations

import numpy as np


def decode(q: np.ndarray, k: np.ndarray, v: np.ndarray, length: int) -> np.ndarray:
    """Attend with the ``m`` newest of ``length`` tokens; see ``lessons.kernels.attention.decode``.

    Returns:
        float64 [m, heads, d].
    """
    m, heads, d = q.shape
    group = heads // k.shape[0]
    q, k, v = (np.asarray(x, np.float64) for x in (q, k[:, :length], v[:, :length]))
    seen = np.tril(np.ones((m, length), bool), length - m)
    out = np.empty((m, heads, d))
    for h in range(heads):
        scores = q[:, h] @ k[h // group].T / np.sqrt(d)
        scores[~seen] = -np.inf
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        out[:, h] = weights / weights.sum(axis=1, keepdims=True) @ v[h // group]
    return out


def gather(pool: np.ndarray, block_table: np.ndarray) -> np.ndarray:
    """Copy a sequence's blocks, [kv_heads, num_blocks, block_size, d], into one run [kv_heads, tokens, d]."""
    blocks = pool[:, block_table]
    return blocks.reshape(blocks.shape[0], -1, blocks.shape[-1])


def paged_decode(
    q: np.ndarray, k_pool: np.ndarray, v_pool: np.ndarray, block_table: np.ndarray, length: int
) -> np.ndarray:
    """Gather the blocks, then attend as if the tokens had always lain in one run. float64 [m, heads, d]."""
    return decode(q, gather(k_pool, block_table), gather(v_pool, block_table), length)
