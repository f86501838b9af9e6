"""The product of activations and a weight matrix: the one place that decides which kernel does it."""

from __future__ import annotations

import torch

from lessons.kernels import gemv
from lessons.kernels.product import Product


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


def product(w: torch.Tensor, rows: int) -> Product:
    """Return the product with weights of this kind for compiled code, for a fixed number of rows."""
    from lessons.kernels.gemv import cpu

    return cpu.product(rows, w.dtype == torch.bfloat16)


def max_rows(w: torch.Tensor) -> int:
    """Return the most rows that ``product`` takes."""
    return gemv.MAX_ROWS


def address(w: torch.Tensor) -> int:
    """Return where the weights lie."""
    return w.data_ptr()
