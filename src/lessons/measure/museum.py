"""The museum of wrong measurements: each exhibit runs a common mistake beside the right way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from lessons.measure.timer import time
from lessons.measure.verdict import differs
from lessons.units import GB, GiB, Quantity


@dataclass(frozen=True)
class Exhibit:
    """One mistake: what it said and what is right.

    Attributes:
        name: the mistake in a few words.
        wrong, right: what it gives, and what the right way gives.
        lesson: why it misleads, and what to do instead.
        above: whether the mistake gives too much; else it gives too little.
    """

    name: str
    wrong: Quantity
    right: Quantity
    lesson: str
    above: bool = True

    @property
    def works(self) -> bool:
        """Whether the mistake shows here: the wrong number lies surely on the side where it should."""
        return differs(self.wrong.ratio(self.right)) == (1 if self.above else -1)

    @property
    def why(self) -> str:
        """What a page says of the exhibit, which did not work on every machine."""
        if self.works:
            return self.lesson
        return (
            f"on this machine the exhibit did not work: {self.name} does not give "
            f"surely {'more' if self.above else 'less'} than the right way. The rule holds all the same: {self.lesson}"
        )

    @property
    def factor(self) -> float:
        """How far off: wrong over right."""
        return self.wrong.value / self.right.value


def compile_in_timer(make: Callable[[], Callable[[], Any]]) -> Exhibit:
    """Time the first call of a just-in-time compiled function, which compiles, as if it were the work.

    Args:
        make: returns a freshly decorated function that was never called.
    """
    fn = make()
    start = perf_counter()
    fn()
    wrong = Quantity(perf_counter() - start, "s", n=1)
    return Exhibit(
        "the compiler inside the timer",
        wrong,
        time(fn).median(),
        "the first call of a compiled function compiles it; warm up before the clock starts",
    )


def cached_input(
    read: Callable[[Any], Any], small: Any, large: Any, small_bytes: int, large_bytes: int
) -> Exhibit:
    """Call the bandwidth of a buffer that fits in the cache the bandwidth of memory.

    Args:
        read: reads the whole buffer it is given.
        small, large: a buffer that stays in the cache, and one that does not fit.
        small_bytes, large_bytes: their sizes.
    """
    return Exhibit(
        "a cached input",
        time(lambda: read(small), warmup=3).rate(small_bytes, "B/s"),
        time(lambda: read(large)).rate(large_bytes, "B/s"),
        "the second pass over a small buffer never leaves the cache; use one larger than the last level",
    )


def no_synchronise(launch: Callable[[], Any]) -> Exhibit:
    """Time a CUDA launch with the host's clock and no synchronise, which times the queueing.

    Args:
        launch: enqueues work on the current stream.
    """
    launch()
    start = perf_counter()
    launch()
    wrong = Quantity(perf_counter() - start, "s", n=1)
    return Exhibit(
        "no synchronise",
        wrong,
        time(launch, device="cuda").median(),
        "a launch returns before the work is done; use events, or synchronise before reading the clock",
        above=False,
    )


def gib_for_gb(size: float) -> Exhibit:
    """Divide by 2^30 and write GB, which loses 7 % of any memory.

    Args:
        size: bytes.
    """
    return Exhibit(
        "GiB written as GB",
        Quantity(size / GiB, "GB"),
        Quantity(size / GB, "GB"),
        "1 GiB is 2^30 bytes and 1 GB is 10^9: name the one you divided by",
        above=False,
    )
