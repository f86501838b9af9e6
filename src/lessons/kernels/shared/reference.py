"""Where a walk through shared memory ends: each word names the next one."""

from __future__ import annotations

WORDS = 1024  # of the tile, a multiple of the 32 banks
LOADS = 8  # per round
BYTES = 4  # that a lane reads at once


def end(lane: int, stride: int, loads: int) -> int:
    """Return the word that a lane has reached which began at word ``lane * stride``."""
    return (lane * stride + loads) % WORDS
