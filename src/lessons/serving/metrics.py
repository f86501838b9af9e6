"""What users and owners of a service ask: how long to the first token, how long between tokens, how many.

Tools disagree on the names, so here are the formulas, for a request whose n tokens came at t_1 ... t_n:

    TTFT = t_1 - arrival                time to first token
    TPOT = (t_n - t_1) / (n - 1)        time per output token: the mean gap; a request of one token has none
    ITL  = t_(i+1) - t_i                inter-token latency: every single gap, the first token left out

Source:
    TTFT and TPOT: mlcommons2025inferencerules. Goodput, and attainment of a service level objective (SLO):
    zhong2024distserve.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from lessons.errors import LessonError
from lessons.serving.request import Request

BIN = 0.01  # width of a bin of the logarithm of a gap: percentiles of ITL are exact to 0.5 %
SHORTEST, LONGEST = 1e-7, 1e5  # seconds
BINS = math.ceil(math.log(LONGEST / SHORTEST) / BIN)


@dataclass(frozen=True)
class SLO:
    """A service level objective: what a request may take at most, in seconds."""

    ttft: float
    tpot: float


class Metrics:
    """Figures of finished requests, added one by one; a million of them fit in tens of MB.

    Args:
        requests: finished requests to begin with.
    """

    def __init__(self, requests: Iterable[Request] = ()) -> None:
        self.tokens = 0
        self.preemptions = 0
        self.begin, self.end = math.inf, -math.inf
        self._ttft, self._tpot = array("d"), array("d")
        self._gaps = np.zeros(BINS, np.int64)
        for request in requests:
            self.add(request)

    def add(self, request: Request) -> None:
        """Count one finished request."""
        times = request.token_times
        self.tokens += len(times)
        self.preemptions += request.preemptions
        self.begin, self.end = min(self.begin, request.arrival), max(self.end, times[-1])
        self._ttft.append(times[0] - request.arrival)
        self._tpot.append((times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else math.nan)
        gaps = np.log(np.maximum(np.diff(times), SHORTEST) / SHORTEST) / BIN
        self._gaps += np.bincount(np.minimum(gaps.astype(np.int64), BINS - 1), minlength=BINS)

    def __len__(self) -> int:
        return len(self._ttft)

    def ttft(self, percentile: float) -> float:
        """Return a percentile of the time to first token in seconds."""
        return _percentile(np.asarray(self._ttft), percentile)

    def tpot(self, percentile: float) -> float:
        """Return a percentile of the time per output token in seconds, over requests of 2 tokens or more."""
        values = np.asarray(self._tpot)
        return _percentile(values[~np.isnan(values)], percentile)

    def itl(self, percentile: float) -> float:
        """Return a percentile of the gaps between tokens in seconds, exact to 0.5 %."""
        total = int(self._gaps.sum())
        rank = _rank(total, percentile)
        at = int(np.searchsorted(np.cumsum(self._gaps), rank))
        return SHORTEST * math.exp((at + 0.5) * BIN)

    def throughput(self) -> float:
        """Return tokens written a second, from the first arrival to the last token."""
        return self.tokens / (self.end - self.begin)

    def attainment(self, slo: SLO) -> float:
        """Return the share of requests that met both limits."""
        # A request of one token has no TPOT, and so none to miss: comparing with NaN is false.
        missed = (np.asarray(self._ttft) > slo.ttft) | (np.asarray(self._tpot) > slo.tpot)
        return 1 - float(missed.mean())

    def goodput(self, slo: SLO) -> float:
        """Return requests a second that met the objective, at the load that was served."""
        return self.attainment(slo) * len(self) / (self.end - self.begin)


def max_rate(attainment: Callable[[float], float], high: float, goal: float = 0.9, steps: int = 12) -> float:
    """Return the greatest arrival rate at which the share ``goal`` of requests still meets its objective.

    This is goodput as a service plans for it; ``Metrics.goodput`` is what it had.

    Args:
        attainment: serves a load of so many requests a second and returns the share that met the objective.
        high: a rate that is too much.
        goal: the share wanted.
        steps: halvings of the interval from 0 to ``high``.

    Returns:
        Requests a second, within high / 2^steps below the true value; 0 where no rate will do.

    Raises:
        LessonError: when ``high`` still reaches the goal.

    Source:
        zhong2024distserve, section 2.
    """
    if attainment(high) >= goal:
        raise LessonError(f"{high} requests/s still meet the goal of {goal:.0%}; begin with a higher rate")
    low = 0.0
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if attainment(middle) >= goal else (low, middle)
    return low


def _percentile(values: np.ndarray, percentile: float) -> float:
    """Return the least value that so many per cent of all do not exceed (the nearest rank)."""
    return float(np.partition(values, (at := _rank(len(values), percentile) - 1))[at])


def _rank(count: int, percentile: float) -> int:
    if not 0 < percentile <= 100:
        raise LessonError(f"percentile is {percentile}; give a number above 0 and up to 100")
    if count == 0:
        raise LessonError(
            "there is nothing to take a percentile of; serve a request of 2 tokens or more first"
        )
    return max(1, math.ceil(percentile / 100 * count))
