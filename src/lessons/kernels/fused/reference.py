"""The chain as NumPy programs write it: with temporaries, with one array for all results, and block by block."""

from __future__ import annotations

import numpy as np

# Points in one block of ``blocked``: 32 KiB of float32, which a first- or second-level cache holds.
BLOCK = 8192


def naive(x: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    """Return relu(a x + b) c; each of the four operations allocates its result, as library calls do.

    The names matter: without them NumPy would see that nobody needs a temporary any more, and write into it.
    """
    scaled = np.multiply(x, np.float32(a))
    shifted = np.add(scaled, np.float32(b))
    del scaled
    rectified = np.maximum(shifted, np.float32(0))
    del shifted
    return np.multiply(rectified, np.float32(c))


def preallocated(x: np.ndarray, out: np.ndarray, a: float, b: float, c: float) -> None:
    """Write relu(a x + b) c into ``out`` with the same four passes and no allocation."""
    np.multiply(x, np.float32(a), out=out)
    np.add(out, np.float32(b), out=out)
    np.maximum(out, np.float32(0), out=out)
    np.multiply(out, np.float32(c), out=out)


def blocked(x: np.ndarray, out: np.ndarray, a: float, b: float, c: float) -> None:
    """Write relu(a x + b) c into ``out``, all four passes over one block before the next: fusion by hand."""
    for start in range(0, len(x), BLOCK):
        part = slice(start, start + BLOCK)
        preallocated(x[part], out[part], a, b, c)
