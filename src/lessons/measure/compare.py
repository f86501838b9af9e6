"""Ours against a peer, alternating in one process, with the peer against itself as a guard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from lessons.measure.stats import median, median_interval
from lessons.measure.timer import quiet
from lessons.units import Quantity

GUARD = (0.95, 1.05)
NEAR = (1 / 1.25, 1.25)  # how wide an interval around 1 may be that is called equal


@dataclass(frozen=True)
class Comparison:
    """How ours compares with a peer. ``ratio`` is the peer's time over ours: above 1, ours is faster.

    Attributes:
        ratio: median over the rounds of (peer seconds / our seconds), with its interval.
        ours, peer: median seconds of a call.
        guard: the peer's first slot over its second in the same rounds: 1 on a quiet machine.
        verdict: "faster", "slower", "equal" (the interval holds 1 and stays within a quarter of it) or
            "can't tell" (the interval reaches farther, or the guard is off).
    """

    ratio: Quantity
    ours: Quantity
    peer: Quantity
    guard: float
    verdict: str


def compare(
    ours: Callable[[], Any],
    peer: Callable[[], Any],
    *,
    rounds: int = 12,
    warmup: int = 2,
    calls: int = 1,
    before: Callable[[], Any] | None = None,
) -> Comparison:
    """Time ``ours`` and ``peer`` in alternation: peer, ours, peer, then ours, peer, peer, and so on.

    A drift of the clock or a busy neighbour then meets both. The peer runs twice a round, and its two times
    against each other say how much of a difference this machine makes up by itself.

    Args:
        ours, peer: the same work on the same data.
        rounds: how often the pattern is run; 12 give a 95 % interval of the median ratio.
        warmup: uncounted calls of each.
        calls: calls in one sample, for short work.
        before: called before each sample, outside its time. It puts the caches into one state, whoever ran last:
            a peer that follows itself would otherwise find its own data there.

    Returns:
        The ratio with its interval and a verdict.

    Raises:
        ValueError: when fewer than 6 rounds are asked for, which would give no 95 % interval.
    """
    if rounds < 6:
        raise ValueError(f"rounds must be at least 6 for a 95 % interval of the median, got {rounds}")
    for _ in range(warmup):
        peer()
        ours()
    own: list[float] = []
    first: list[float] = []
    second: list[float] = []
    with quiet():
        for i in range(rounds):
            # Each place in the round is taken in turn, so that no side always follows the other.
            order = ((first, peer), (own, ours), (second, peer))
            for samples, fn in order[i % 3 :] + order[: i % 3]:
                if before is not None:
                    before()
                samples.append(_seconds(fn, calls))
    # One peer sample a round, in turn: the mean of both would meet a disturbance twice as often as ours does.
    peers = [(first, second)[i % 2][i] for i in range(rounds)]
    ratio = median_interval([p / o for p, o in zip(peers, own)], "1")
    guard = median(first) / median(second)
    return Comparison(
        ratio, median_interval(own, "s"), median_interval(first + second, "s"), guard, verdict(ratio, guard)
    )


def verdict(ratio: Quantity, guard: float) -> str:
    """Return the word for a ratio: its interval decides, and the guard may forbid any word."""
    if not GUARD[0] <= guard <= GUARD[1]:
        return "can't tell"
    if ratio.low > 1:
        return "faster"
    if ratio.high < 1:
        return "slower"
    return "equal" if NEAR[0] <= ratio.low and ratio.high <= NEAR[1] else "can't tell"


def _seconds(fn: Callable[[], Any], calls: int) -> float:
    start = perf_counter()
    for _ in range(calls):
        fn()
    return (perf_counter() - start) / calls
