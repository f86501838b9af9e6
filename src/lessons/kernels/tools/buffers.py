"""Page-aligned NumPy buffers: a vector store past the caches needs its address on the vector's own boundary."""

from __future__ import annotations

import numpy as np

PAGE = 4096


def aligned(shape: int | tuple[int, ...], dtype: str = "float64", fill: float | None = 0.0) -> np.ndarray:
    """Return an array whose first byte lies on a page.

    Args:
        shape: its shape.
        dtype: its element type.
        fill: the value of each element; writing it also makes every page present (first touch). None leaves
            the pages untouched, which is what a page-fault measurement wants.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(size + PAGE, np.uint8)
    start = -raw.ctypes.data % PAGE
    array = raw[start : start + size].view(dtype).reshape(shape)
    if fill is not None:
        array.fill(fill)
    return array
