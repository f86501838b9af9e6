"""How often to write a checkpoint: the balance of writing time against work lost."""

from __future__ import annotations

import math

from lessons.formulas.checks import positive


def interval(cost: float, mean_time_between_failures: float) -> float:
    """Return Young's interval between checkpoints in seconds: sqrt(2 x cost x MTBF).

    Args:
        cost: seconds that one checkpoint stops the work.
        mean_time_between_failures: seconds, of the whole job.

    Raises:
        ValueError: unless both are positive.

    Source: young1974checkpoint; daly2006checkpoint for the next order.
    """
    positive(cost=cost, mean_time_between_failures=mean_time_between_failures)
    return math.sqrt(2 * cost * mean_time_between_failures)


def overhead(cost: float, mean_time_between_failures: float, every: float | None = None) -> float:
    """Return the share of time lost to writing and to repeating work: cost / T + T / (2 MTBF).

    A first-order form: it holds while the interval is far below the time between failures. Restart time is
    not in it.

    Args: cost: seconds that one checkpoint stops the work. mean_time_between_failures: seconds. every: T,
        seconds between checkpoints; Young's interval where left out, which gives sqrt(2 cost / MTBF).

    Raises:
        ValueError: unless all are positive.

    Source: young1974checkpoint.
    """
    every = interval(cost, mean_time_between_failures) if every is None else every
    positive(cost=cost, mean_time_between_failures=mean_time_between_failures, every=every)
    return cost / every + every / (2 * mean_time_between_failures)
