"""RMSNorm of a few rows: too little work to be anything but overhead, so there is as little of it as possible."""

from __future__ import annotations

from typing import Any

from lessons.kernels.rms_norm.reference import rms_norm as reference

__all__ = ["reference", "rms_norm"]


def rms_norm(x: Any, weight: Any, eps: float) -> Any:
    """Return x / sqrt(mean(x²) + eps) * weight, row by row.

    On the CPU torch takes some fifty microseconds for one row, in several operations, and a token passes 61 norms
    in a model of 30 layers. One compiled loop takes a tenth of that.

    Args:
        x: float32 [rows, width], contiguous.
        weight: float32 [width], on the same device.
        eps: added to the mean square.

    Returns:
        float32 [rows, width].

    Raises:
        ValueError: when x is not contiguous float32.

    Source:
        B. Zhang and R. Sennrich, Root Mean Square Layer Normalization, 2019, arXiv:1910.07467.
    """
    if str(x.dtype) != "torch.float32" or not x.is_contiguous():
        raise ValueError(
            f"rms_norm takes contiguous float32 rows, got {x.dtype}; call .float().contiguous() first"
        )
    if x.is_cuda:
        from torch.nn import functional

        return functional.rms_norm(x, weight.shape, weight, eps)
    from lessons.kernels.rms_norm import cpu

    out = x.new_empty(x.shape)
    cpu.rms_norm(x.data_ptr(), weight.data_ptr(), out.data_ptr(), x.shape[0], x.shape[1], eps)
    return out
