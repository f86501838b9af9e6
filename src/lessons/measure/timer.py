"""One timed call after another: warm-up first, then samples until there are enough of them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from lessons.measure.stats import median_interval
from lessons.units import Quantity


@dataclass(frozen=True)
class Timing:
    """Seconds of each sample, one call each (or the mean of ``calls`` calls)."""

    seconds: tuple[float, ...]
    calls: int = 1

    def median(self) -> Quantity:
        """Return the median seconds of one call with its interval."""
        return median_interval(self.seconds, "s")

    def best(self) -> float:
        """Return the least seconds: what this machine can do when nobody disturbs it."""
        return min(self.seconds)

    def rate(self, amount: float, unit: str) -> Quantity:
        """Return ``amount`` per second: ``rate(bytes, "B/s")``."""
        return self.median().inverse(amount, unit)

    def best_rate(self, amount: float, unit: str) -> Quantity:
        """Return the best sample's rate, with the median's rate as the lower end of its interval."""
        return Quantity(
            amount / self.best(), unit, amount / self.median().value, amount / self.best(), len(self.seconds)
        )


@contextmanager
def quiet():
    """Keep Python's garbage collector out of the timed region."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def time(
    fn: Callable[[], Any],
    *,
    warmup: int = 1,
    samples: int = 12,
    min_seconds: float = 0.0,
    min_sample_seconds: float = 20e-6,
    device: str = "cpu",
) -> Timing:
    """Time ``fn()``: the warm-up calls (compilation, first touch, cold caches) are made and not counted.

    Args:
        fn: what to time; it must do its work, and on CUDA enqueue it, each time it is called.
        warmup: calls before the first sample.
        samples: the least number of samples.
        min_seconds: go on sampling until this much time has been spent.
        min_sample_seconds: a shorter call is repeated inside one sample, so that the clock's own cost is small.
        device: "cpu" uses the monotonic clock; "cuda" uses events around each call on the current stream.

    Returns:
        Seconds of one call, sample by sample.

    Raises:
        ValueError: when fewer than one sample is asked for.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    for _ in range(warmup):
        fn()
    if device == "cuda":
        from lessons.measure.cuda import event_seconds

        return Timing(event_seconds(fn, samples))
    with quiet():
        start = perf_counter()
        fn()
        once = perf_counter() - start
        calls = 1 if once >= min_sample_seconds else int(min_sample_seconds / max(once, 1e-8)) + 1
        seconds: list[float] = []
        spent = 0.0
        while len(seconds) < samples or spent < min_seconds:
            start = perf_counter()
            for _ in range(calls):
                fn()
            elapsed = perf_counter() - start
            seconds.append(elapsed / calls)
            spent += elapsed
    return Timing(tuple(seconds), calls)
