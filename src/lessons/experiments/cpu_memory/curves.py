"""What the staircases share: sizes, curves, and what a curve shows."""

from __future__ import annotations

from itertools import pairwise

from lessons.experiments.base import Outcome
from lessons.measure.verdict import BAND, differs
from lessons.passport import Passport
from lessons.units import KiB, Quantity

SYSTEM = "reported by the system"


def caches(passport: Passport) -> list[int]:
    """Return the bytes of each cache, smallest first."""
    return [c["bytes"] for c in passport.machine["caches"]]


def kept(passport: Passport) -> list[Quantity]:
    """Return of each cache what one thread gets to keep, smallest first.

    They are the reported sizes but for the last cache, of which the passport measured the part that is ours.
    """
    reported = [Quantity(size, "B") for size in caches(passport)]
    if not reported:
        return []
    return [*reported[:-1], min(reported[-1], passport.held(), key=lambda q: q.value)]


def held(passport: Passport) -> list[int]:
    """Return ``kept`` in whole bytes."""
    return [round(cache.value) for cache in kept(passport)]


def sizes_up_to(largest: int, step: int = 2) -> list[int]:
    """Return working sets from 8 KiB to ``largest``, each ``step`` times the one before, and ``largest``."""
    sizes = [8 * KiB]
    while sizes[-1] * step < largest:
        sizes.append(sizes[-1] * step)
    return [*sizes, largest]


def dram_bytes(share: int = 1, limit: int = 1 << 40) -> int:
    """Return the working set that stands for memory on this machine, or a part of it, but at most ``limit`` bytes."""
    from lessons import topology

    return min(topology.working_sets(topology.read())["dram"] // share, limit)


def draw_curve(ax, prediction: Outcome, result: Outcome, name: str) -> None:
    """Draw a predicted and a measured curve against the working set, with a line where each cache ends."""
    from lessons import figures
    from lessons.experiments import looks

    for level, size in zip(prediction.data["levels"], prediction.data["caches"]):
        looks.border(ax, size, level.upper())
    figures.predicted(ax, prediction.data["sizes"], prediction.data[name], "predicted from the passport")
    looks.measured(ax, result.data["sizes"], result.data[name])
    figures.bytes_axis(ax.xaxis)
    ax.set_xlabel("working set")
    figures.key(ax.figure)


def falls_late(prediction: Outcome, result: Outcome) -> bool:
    """Tell whether the first size beyond the last cache still reads faster than memory, by more than the band."""
    last = max(prediction.data["caches"], default=0)
    beyond = [rate for size, rate in zip(result.data["sizes"], result.data["rates"]) if size > last]
    return bool(beyond) and beyond[0].ratio(result.quantity).low > BAND


def falls_early(prediction: Outcome, result: Outcome) -> bool:
    """Tell whether an array that just fits in a cache reads slower than the passport's rate of that cache.

    By more than the band, in at least one level.
    """
    expected = dict(zip(prediction.data["sizes"], prediction.data["rates"]))
    measured = dict(zip(result.data["sizes"], result.data["rates"]))
    ends = [size for size in prediction.data["caches"] if size in measured and size in expected]
    return any(measured[size].high < expected[size] / BAND for size in ends)


def nearer_slower(prediction: Outcome, result: Outcome) -> tuple[str, str] | None:
    """Return a cache whose best rate is surely below that of the next one, and that next one; None where none is."""
    best: dict[str, Quantity] = {}
    for size, rate in zip(result.data["sizes"], result.data["rates"]):
        for level, end in zip(prediction.data["levels"], prediction.data["caches"]):
            if size <= end:
                best[level] = max(best.get(level, rate), rate, key=lambda q: q.value)
                break
    levels = list(best)
    return next(((a, b) for a, b in pairwise(levels) if differs(best[a].ratio(best[b])) < 0), None)
