"""What the peak loop computes, in exact arithmetic: x_n = 1 + (x_0 - 1) / 2^n for x = x / 2 + 1/2."""

from __future__ import annotations

from lessons.kernels.fma import CHAINS


def total(rounds: int, lanes: int, threads: int = 1) -> float:
    """Return the sum of all lanes after ``rounds`` turns from x_0 = 1 + i / 1024 in chain i."""
    return threads * lanes * sum(1 + (i / 1024) / 2.0**rounds for i in range(CHAINS))
