"""Reading the same bytes again: how many of them a cache still has, by the rule that it replaces lines by."""

from __future__ import annotations

import math

from lessons.formulas.checks import fraction, positive


def lru_hit_rate(working_set: float, capacity: float) -> float:
    """Return the share of a repeated sweep that a cache answers which evicts the line unused for longest: 1 or 0.

    A sweep that is larger than the cache evicts each line just before its next use.

    Args:
        working_set: bytes of one sweep.
        capacity: bytes of the cache.

    Raises:
        ValueError: unless both are positive.

    Source: drepper2007memory, section 3.3.
    """
    positive(working_set=working_set, capacity=capacity)
    return 1.0 if working_set <= capacity else 0.0


def random_hit_rate(working_set: float, capacity: float) -> float:
    """Return the share of a repeated sweep that a cache answers which evicts any of its lines, each as likely.

    Between two uses of a line the sweep misses a share 1 - h of its W lines, and each miss spares the line with
    1 - 1/C. So h = exp(-(W / C) (1 - h)), of which the smaller solution is meant: h = 1 solves it too, and is where
    the cache holds all.

    Args:
        working_set: bytes of one sweep, W lines.
        capacity: bytes of the cache, C lines, both many.

    Raises:
        ValueError: unless both are positive.

    Source: this book's, for the sweep and the rule; tests hold it to a simulated cache.
    """
    positive(working_set=working_set, capacity=capacity)
    if working_set <= capacity:
        return 1.0
    times, low = working_set / capacity, 0.0
    # With h below the smaller solution exp() lies above h, and between the two solutions below it. The lowest point
    # of the difference lies between them.
    high = 1 - math.log(times) / times
    for _ in range(60):
        middle = (low + high) / 2
        if math.exp(-times * (1 - middle)) > middle:
            low = middle
        else:
            high = middle
    return low


def mixed_rate(hit_rate: float, near: float, far: float) -> float:
    """Return bytes per second of a sweep of which a share comes at one rate and the rest at another.

    Args:
        hit_rate: the share that a cache answers.
        near, far: B/s of the cache and of what lies behind it.

    Raises:
        ValueError: unless the rates are positive and the share lies in [0, 1].

    Source: jacob2007memorysystems, the average access time, of bytes in place of accesses.
    """
    positive(near=near, far=far)
    fraction(hit_rate=hit_rate)
    return 1 / (hit_rate / near + (1 - hit_rate) / far)
