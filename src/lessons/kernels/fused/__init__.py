"""y = relu(a x + b) c, an element-wise chain: four passes as a library runs it, or one pass, fused."""

from __future__ import annotations

from typing import Any

__all__ = ["fused"]


def fused(x: Any, out: Any, a: float, b: float, c: float) -> None:
    """Write relu(a x + b) c into ``out`` in one pass: x is read once, ``out`` written once.

    Args:
        x: [n] float32, contiguous NumPy array.
        out: [n] float32, contiguous; it may be ``x``.
        a, b, c: the constants.

    Raises:
        ValueError: for shapes or dtypes that do not fit.

    Source:
        S. Williams et al., Roofline (2009), section "Optimizations": fusing loops raises intensity, since what
        one loop writes and the next reads never leaves the registers.
    """
    if x.ndim != 1 or x.shape != out.shape:
        raise ValueError(f"x and out must be one-dimensional and equally long, got {x.shape} and {out.shape}")
    if any(array.dtype != "float32" or not array.flags.c_contiguous for array in (x, out)):
        raise ValueError("fused takes contiguous float32 arrays; make copies with numpy.ascontiguousarray")
    from lessons.kernels.fused import cpu

    cpu.kernel()(x, out, a, b, c)
