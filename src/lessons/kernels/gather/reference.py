"""Which lines a gather visits, and the gather itself in plain Python."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

LINE = 64  # bytes
# A linear congruential generator modulo 2^32: its upper bits choose the line.
MULTIPLIER, INCREMENT, MASK = 1664525, 1013904223, 0xFFFFFFFF


def places(lines: int, loads: int, seed: int) -> Iterator[int]:
    """Yield the numbers of the lines that are loaded.

    Source:
        The generator is that of W. H. Press et al., Numerical Recipes in C, 2nd edition, section 7.1.
    """
    state = seed & MASK
    for _ in range(loads):
        state = (state * MULTIPLIER + INCREMENT) & MASK
        yield state * lines >> 32


def gather(values: np.ndarray, loads: int, seed: int = 0) -> int:
    """Return what ``lessons.kernels.gather.gather`` returns."""
    found = 0
    for line in places(values.nbytes // LINE, loads, seed):
        found ^= int(values[line * LINE // 8])
    return found
