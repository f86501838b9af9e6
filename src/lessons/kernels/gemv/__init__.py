"""A few rows times a weight matrix: y = x wᵀ for 1 to 8 rows, each weight read once for all of them."""

from __future__ import annotations

from typing import Any

from lessons.kernels.gemv.reference import linear as reference

__all__ = ["MAX_ROWS", "linear", "moved_bytes", "reference"]

MAX_ROWS = 8


def moved_bytes(rows: int, outputs: int, inputs: int, weight_bytes: int = 4) -> int:
    """Return the bytes of one product: the weights once, x and y in float32.

    Args:
        rows, inputs, outputs: x is [rows, inputs], w is [outputs, inputs].
        weight_bytes: of one weight, 4 (float32) or 2 (bfloat16).
    """
    return outputs * inputs * weight_bytes + 4 * rows * (inputs + outputs)


def linear(x: Any, w: Any, *, out: Any = None, threads: int | None = None) -> Any:
    """Return x wᵀ for few rows: a GEMV for one row, a skinny GEMM for two to eight.

    A library's matrix product tiles for many rows and runs far below the roofline here. This one streams the
    weights once and keeps one sum for each pair of row and output in a register.

    Args:
        x: [rows, inputs] float32, contiguous, 1 <= rows <= 8; a torch tensor (CPU or CUDA).
        w: [outputs, inputs] float32 or bfloat16, contiguous, on the same device.
        out: [rows, outputs] float32 to write into; made when None.
        threads: CPU threads; Numba's current number when None.

    Returns:
        [rows, outputs] float32. The products of bfloat16 weights are exact; all sums are float32.

    Raises:
        ValueError: for shapes or dtypes that do not fit.

    Source:
        S. Williams et al., Roofline (2009): at about rows / 2 FLOP per byte the weights' bytes are the cost.
    """
    rows, inputs = x.shape
    outputs = w.shape[0]
    if not 1 <= rows <= MAX_ROWS:
        raise ValueError(
            f"linear takes 1 to {MAX_ROWS} rows, got {rows}; use torch.nn.functional.linear for more"
        )
    if w.shape[1] != inputs:
        raise ValueError(f"x has {inputs} inputs and w has {w.shape[1]}; they must be equal")
    if str(x.dtype) != "torch.float32" or str(w.dtype) not in ("torch.float32", "torch.bfloat16"):
        raise ValueError(f"linear takes float32 x and float32 or bfloat16 w, got {x.dtype} and {w.dtype}")
    if not (x.is_contiguous() and w.is_contiguous()):
        raise ValueError("linear takes contiguous tensors; call .contiguous() first")
    if out is None:
        out = x.new_empty((rows, outputs))
    if x.is_cuda:
        from lessons.kernels.gemv import cuda

        cuda.linear(x, w, out)
    else:
        from lessons.kernels.gemv import cpu

        cpu.linear(x, w, out, threads)
    return out
