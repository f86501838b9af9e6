"""Causal attention of the newest tokens over all before them, on keys and values that lie in one run."""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention

FEW = 8  # up to so many new tokens our own kernel is faster on the CPU: it reads each key and value once


def few(q: torch.Tensor, k: torch.Tensor) -> bool:
    """Tell whether ``lessons.kernels.attention`` takes these new tokens, [n, heads, head_dim], and this cache."""
    return (
        q.device.type == "cpu"
        and k.dtype == q.dtype == torch.float32
        and len(q) <= FEW
        and q.shape[2] % 16 == 0
    )


def causal(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, length: int) -> torch.Tensor:
    """Attend with the ``n`` newest of ``length`` tokens.

    Args:
        q: [n, heads, head_dim]; row i is the token at position ``length - n + i``.
        k, v: [kv_heads, capacity, head_dim] with capacity >= length; the first ``length`` are valid, the
            newest tokens' own among them.
        length: tokens to see, for the last row.

    Returns:
        [n, heads, head_dim]: softmax(q k / sqrt(head_dim)) v, each row blind to the tokens after it.

    Source:
        Grouped queries: Ainslie et al. 2023, arXiv:2305.13245. Query head h reads key head h // group.
    """
    n, heads, dim = q.shape
    kv_heads = k.shape[0]
    k, v = k[:, None, :length], v[:, None, :length]
    # Key heads stand where SDPA has its batch. The query heads that share one stand as heads, over a K and V
    # that are expanded without a copy.
    group = heads // kv_heads
    q = q.transpose(0, 1).reshape(kv_heads, group, n, dim)
    k, v = k.expand(-1, group, -1, -1), v.expand(-1, group, -1, -1)
    if n in (1, length):
        out = scaled_dot_product_attention(q, k, v, is_causal=n > 1)
    else:
        seen = torch.ones(n, length, dtype=torch.bool, device=q.device).tril(length - n)
        out = scaled_dot_product_attention(q, k, v, attn_mask=seen)
    return out.reshape(heads, n, dim).transpose(0, 1)
