"""The product of activations and a weight matrix: the one place that decides which kernel does it."""

from __future__ import annotations

import torch

from lessons.kernels import gemv


def linear(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return ``x @ w.T`` as float32.

    A few rows wait for memory: our kernel then reads each weight once for all of them. Many rows are arithmetic,
    which is what a library's matrix product is good at.

    Args:
        x: float32 [m, k].
        w: float32 or bfloat16 [n, k].

    Returns:
        float32 [m, n]. With bfloat16 weights and few rows on the CPU nothing else is rounded; otherwise
        torch rounds x and the result to bfloat16.
    """
    if x.device.type == "cpu" and x.shape[0] <= gemv.MAX_ROWS:
        return gemv.linear(x, w)
    if w.dtype == torch.float32:
        return x @ w.T
    return (x.to(w.dtype) @ w.T).float()
