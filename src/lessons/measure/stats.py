"""The median and its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lessons.units import Quantity


def median(values: Sequence[float]) -> float:
    """Return the median of a non-empty sequence.

    Raises:
        ValueError: when there are no values.
    """
    if not values:
        raise ValueError("a median needs at least 1 value, got 0")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else 0.5 * (ordered[middle - 1] + ordered[middle])


def interval_ranks(n: int, confidence: float = 0.95) -> tuple[int, int]:
    """Return the ranks (from 0) of the order statistics that enclose the median with ``confidence``.

    The number of samples below the true median is binomial(n, 1/2), whatever the distribution of the samples.
    With fewer than 6 samples no pair of ranks reaches 95 %, and the whole range is returned.

    Source:
        J.-Y. Le Boudec, Performance Evaluation of Computer and Communication Systems, 2010, section 2.2.
    """
    # The widest pair that leaves at most (1 - confidence) / 2 on each side.
    tail = 0.0
    for low in range(n // 2):
        tail += math.comb(n, low) * 0.5**n
        if tail > (1 - confidence) / 2:
            return max(0, low - 1), n - max(1, low)
    return 0, n - 1


def median_interval(values: Sequence[float], unit: str, confidence: float = 0.95) -> Quantity:
    """Return the median with the interval given by the order statistics, free of any assumed distribution.

    Args:
        values: the samples; at least one.
        unit: their unit.
        confidence: the share of such intervals that hold the true median, for independent samples.
    """
    ordered = sorted(values)
    low, high = interval_ranks(len(ordered), confidence)
    return Quantity(median(ordered), unit, ordered[low], ordered[high], len(ordered))


def median_ratio(above: Sequence[float], below: Sequence[float], factor: float = 1) -> Quantity:
    """Return ``factor`` times the median of one thing's seconds over another's, round by round, with its interval.

    Args:
        above, below: one number a round, taken in turns: what disturbed a round disturbed both.
        factor: to count by, such as tokens over tokens.
    """
    return median_interval([factor * a / b for a, b in zip(above, below)], "1")


def share_interval(kept: int, of: int) -> Quantity:
    """Return kept / of with the interval that holds the true share with 95 % confidence.

    Source:
        E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    z = 1.96
    share, weight = kept / of, z * z / of
    middle = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / of + weight / (4 * of)) / (1 + weight)
    return Quantity(share, "1", max(0.0, middle - half), min(1.0, middle + half), of)
