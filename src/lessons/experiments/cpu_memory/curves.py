"""What the staircases share: sizes, curves, and what a curve shows."""

from __future__ import annotations

from lessons.experiments.base import Outcome
from lessons.passport import Passport
from lessons.units import KiB, Quantity


def caches(passport: Passport) -> list[int]:
    """Return the bytes of each cache, smallest first."""
    return [c["bytes"] for c in passport.machine["caches"]]


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


def curve(sizes: list[int], quantities: list[Quantity], name: str) -> dict:
    """Return a measured curve as data: the sizes, and ``spread`` of what was found at each."""
    return {"sizes": sizes, **spread(quantities, name)}


def spread(quantities: list[Quantity], name: str) -> dict:
    """Return quantities as data: their values under ``name``, and the ends of their intervals."""
    return {
        name: [q.value for q in quantities],
        f"{name}_low": [q.low for q in quantities],
        f"{name}_high": [q.high for q in quantities],
    }


def draw_curve(ax, prediction: Outcome, result: Outcome, name: str) -> None:
    """Draw a predicted and a measured curve against the working set, with a line where each cache ends."""
    from lessons import figures
    from lessons.figures.style import FOREGROUND

    for level, size in zip(prediction.data["levels"], prediction.data["caches"]):
        ax.axvline(size, color=FOREGROUND, lw=0.8, ls=":")
        ax.annotate(
            level.upper(),
            (size, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-3, -12),
            textcoords="offset points",
            ha="right",
        )
    figures.predicted(ax, prediction.data["sizes"], prediction.data[name], "predicted from the passport")
    data = result.data
    figures.measured(ax, data["sizes"], data[name], data[f"{name}_low"], data[f"{name}_high"])
    figures.bytes_axis(ax.xaxis)
    ax.set_xlabel("working set")
    ax.legend(
        loc="lower left" if name == "rates" else "upper left",
        bbox_to_anchor=(0, 0.12 if name == "rates" else 0.88),
    )


def falls_late(prediction: Outcome, result: Outcome) -> bool:
    """Tell whether the first size beyond the last cache still reads a third faster than memory."""
    last = max(prediction.data["caches"], default=0)
    beyond = [r for s, r in zip(result.data["sizes"], result.data["rates"]) if s > last]
    return bool(beyond) and beyond[0] > 1.33 * result.quantity.value


def crowded(prediction: Outcome, result: Outcome) -> float:
    """Return the largest measured over predicted latency among the rings that should fit in a shared last cache."""
    caches = prediction.data["caches"]
    expected = dict(zip(prediction.data["sizes"], prediction.data["seconds"]))
    inside = [
        seconds / expected[size]
        for size, seconds in zip(result.data.get("sizes", []), result.data["seconds"])
        if size in expected and len(caches) > 1 and 2 * caches[-2] < size <= caches[-1] // 2
    ]
    return max(inside, default=1.0)
