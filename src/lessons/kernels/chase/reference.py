"""The ring that a chase walks, and the walk in plain Python."""

from __future__ import annotations

import numpy as np


def cycle(lines: int, seed: int = 0) -> np.ndarray:
    """Return ``next`` so that following it visits all ``lines`` once before it returns (one random cycle).

    Source:
        S. Sattolo, An algorithm to generate a random cyclic permutation, 1986. Made here by linking a random
        order, which draws from the same distribution and needs no loop.
    """
    order = np.random.default_rng(seed).permutation(lines)
    following = np.empty(lines, np.int64)
    following[order] = np.roll(order, -1)
    return following


def ring(size: int, line: int = 64, seed: int = 0) -> np.ndarray:
    """Return an int64 array of ``size`` bytes whose first element in each line holds the next line's address.

    Args:
        size: bytes the walk touches; at least two lines.
        line: bytes between two links, a multiple of 8: one load per cache line.
        seed: which random cycle.

    Returns:
        Page-aligned int64 array; element ``i * line / 8`` holds a byte address within the array.

    Raises:
        ValueError: when fewer than two lines fit.
    """
    from lessons.kernels.tools.buffers import aligned

    lines = size // line
    if lines < 2:
        raise ValueError(f"a ring needs at least 2 lines of {line} bytes, got {size} bytes")
    links = aligned(lines * line // 8, "int64", 0)
    links[:: line // 8] = cycle(lines, seed) * line + links.ctypes.data
    return links


def walk(links: np.ndarray, steps: int, start: int = 0) -> int:
    """Follow the ring in plain Python: the answer that the compiled walk must give."""
    place = start
    for _ in range(steps):
        place = (int(links[place]) - links.ctypes.data) // 8
    return place
