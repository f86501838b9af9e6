"""The product of activations and a weight matrix: the one place that decides which kernel does it."""

from __future__ import annotations

import torch

SKINNY_ROWS = 8  # up to here the product waits for memory, and our kernel reads each weight once


def linear(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return ``x @ w.T`` as float32.

    Args:
        x: float32 [m, k].
        w: float32 or bfloat16 [n, k].

    Returns:
        float32 [m, n]. With bfloat16 weights and few rows on the CPU nothing else is rounded; otherwise
        torch rounds x and the result to bfloat16.
    """
    if w.dtype == torch.float32:
        return x @ w.T
    return (x.to(w.dtype) @ w.T).float()
