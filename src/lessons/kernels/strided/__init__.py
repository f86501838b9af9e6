"""Read one element in every ``stride`` of a long array: what else comes along, a memory decides by itself."""

from __future__ import annotations

from typing import Any

__all__ = ["strided"]


def strided(x: Any, stride: int) -> Any:
    """Return x[0] + x[stride] + x[2 stride] + ...: a sum, so that no read can be left out.

    Args:
        x: [n] float32, contiguous: a NumPy array, or a CUDA tensor.
        stride: elements from one that is read to the next, 1 or more.

    Returns:
        A float; on CUDA a float64 tensor of no dimensions, still on the device. Terms are added up in float32, in no
        particular order.

    Raises:
        ValueError: for a stride below 1, another dtype, or an array that is not one-dimensional and contiguous.

    Source:
        Drepper (2007), section 3.3.2, whose walk over elements of growing size this is, without the pointers.
    """
    if stride < 1:
        raise ValueError(f"stride must be at least 1 element, got {stride}")
    if x.ndim != 1 or str(x.dtype).removeprefix("torch.") != "float32":
        raise ValueError(f"strided takes one-dimensional float32, got {x.ndim} dimensions of {x.dtype}")
    if getattr(x, "is_cuda", False):
        from lessons.kernels.strided import cuda

        return cuda.strided(x, stride)
    from lessons.kernels.strided import cpu

    if not x.flags.c_contiguous:
        raise ValueError("strided takes a contiguous array; make a copy with numpy.ascontiguousarray")
    return cpu.strided(x, stride)
