"""Timing several things in turns, so that a disturbance hits all of them and not one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from statistics import median
from time import perf_counter
from typing import TypeVar

from lessons.measure import median_interval
from lessons.units import Quantity

Key = TypeVar("Key", bound=Hashable)


def in_turns(
    runs: Mapping[Key, Callable[[], object]],
    rounds: int = 3,
    device: str = "cpu",
    progress: Callable[[str], None] = lambda message: None,
) -> dict[Key, list[float]]:
    """Call each of ``runs`` once to warm up, then once a round, and return its seconds round by round.

    Args:
        runs: what to call, by name.
        rounds: how often each is timed.
        device: "cpu" uses the monotonic clock, "cuda" events on the current stream.
        progress: told which round it is.
    """
    seconds: dict[Key, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        progress(f"round {turn} of {rounds}" if turn else "warm-up")
        for name, run in runs.items():
            spent = _once(run, device)
            if turn:
                seconds[name].append(spent)
    return seconds


def medians(seconds: Mapping[Key, list[float]]) -> dict[Key, float]:
    """Return the median seconds of each."""
    return {name: median(values) for name, values in seconds.items()}


def ratio(above: list[float], below: list[float], factor: float = 1) -> Quantity:
    """Return ``factor`` times the median over the rounds of one time over another, with its interval."""
    return median_interval([factor * a / b for a, b in zip(above, below)], "1")


def _once(run: Callable[[], object], device: str) -> float:
    if device == "cuda":
        from lessons.measure.cuda import event_seconds

        return event_seconds(run, 1)[0]
    began = perf_counter()
    run()
    return perf_counter() - began
