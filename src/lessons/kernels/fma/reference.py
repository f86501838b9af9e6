"""What the peak loops compute, in exact arithmetic.

Floats: x_n = 1 + (x_0 - 1) / 2^n for x = x / 2 + 1/2. Bytes: x + factor * (sum of the four bytes of x), mod 2^32.
"""

from __future__ import annotations

import numpy as np

CHAINS = 12
FLOP_PER_ROUND = 2 * CHAINS  # per vector lane
INT8 = "int8"


def total(rounds: int, lanes: int, threads: int = 1) -> float:
    """Return the sum of all lanes after ``rounds`` turns from x_0 = 1 + i / 1024 in chain i."""
    return threads * lanes * sum(1 + (i / 1024) / 2.0**rounds for i in range(CHAINS))


def total_of_bytes(rounds: int, lanes: int, factor: int, start: int, threads: int = 1) -> float:
    """Return the sum of all lanes, mod 2^32 in each thread, from x_0 = start * i in chain i."""
    x = start * np.arange(CHAINS, dtype=np.int32)
    for _ in range(rounds):
        x += np.int32(factor) * x.view(np.int8).reshape(CHAINS, 4).sum(axis=1, dtype=np.int32)
    return threads * float((lanes * x).sum(dtype=np.int32))
