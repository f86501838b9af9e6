"""Timing several things in turns, so that a disturbance hits all of them and not one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from time import perf_counter
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def in_turns(
    runs: Mapping[Key, Callable[[], object]],
    rounds: int = 3,
    *,
    settle: float = 0.0,
    least_of: int = 1,
    device: str = "cpu",
    progress: Callable[[str], None] = lambda message: None,
) -> dict[Key, list[float]]:
    """Call each of ``runs`` once to warm up, then time it once a round; return its seconds round by round.

    Args:
        runs: what to call, by name.
        rounds: how often each is timed.
        settle: seconds for which each runs, untimed, before its turn: what follows another finds the other's data
            in the caches, and may need several calls to push them out.
        least_of: calls of a turn, of which the shortest counts: a neighbour only adds.
        device: "cpu" uses the monotonic clock, "cuda" events on the current stream.
        progress: told which round it is.
    """
    seconds: dict[Key, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        progress(f"round {turn} of {rounds}" if turn else "warm-up")
        for name, run in runs.items():
            if turn == 0:
                _once(run, device)
                continue
            settled = perf_counter() + settle
            while perf_counter() < settled:
                run()
            seconds[name].append(min(_once(run, device) for _ in range(least_of)))
    return seconds


def _once(run: Callable[[], object], device: str) -> float:
    if device == "cuda":
        from lessons.measure.cuda import event_seconds

        return event_seconds(run, 1)[0]
    began = perf_counter()
    run()
    return perf_counter() - began
