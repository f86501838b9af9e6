"""Page-aligned NumPy buffers: a vector store past the caches needs its address on the vector's own boundary."""

from __future__ import annotations

import numpy as np

PAGE = 4096
LINE = 64


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


class Arena:
    """One piece of memory, handed out from its beginning: arrays side by side, each on a cache line.

    A large piece gets huge pages where the system has them (NumPy asks for them from 4 MiB on). Arrays of a megabyte
    each do not: their 4 KiB pages cost a reading of many of them a fifth of its speed and more.

    Args:
        size: bytes of all arrays together, each rounded up to 64.
    """

    def __init__(self, size: int) -> None:
        self._left = aligned(size, "uint8", fill=None)

    def take(self, shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
        """Return an array whose elements are not set.

        Raises:
            ValueError: when the piece has not so much left.
        """
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if size > len(self._left):
            raise ValueError(f"{size} bytes are wanted and {len(self._left)} are left; make the arena larger")
        array = self._left[:size].view(dtype).reshape(shape)
        self._left = self._left[-(-size // LINE) * LINE :]
        return array
