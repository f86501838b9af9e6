"""Drawing what several chapters draw: quantities with their intervals, and rooflines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lessons.experiments.text import FOLDER, fill, sections
from lessons.formulas.roofline import attainable
from lessons.units import Quantity, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lessons.passport import Passport

NAMES = {"l1": "L1", "l2": "L2", "l3": "L3", "l4": "L4", "dram": "DRAM"}
_LOOKS = {"l1": "orange", "l2": "purple", "l3": "sky", "dram": "vermilion"}


def colour(level: str) -> str:
    """Return the colour of a level, the same in each figure of the chapter."""
    from lessons.figures import COLOURS

    return COLOURS[_LOOKS.get(level, "green")]


def roofs(
    ax: Axes, peak: float, bandwidths: Mapping[str, float], low: float = 1 / 16, high: float = 256
) -> None:
    """Draw one roof a level, min(peak, intensity x bandwidth), on logarithmic axes.

    Args:
        ax: where to draw.
        peak: FLOP/s.
        bandwidths: B/s by level ("l2", "dram").
        low, high: the range of intensities in FLOP/byte.
    """
    from lessons import figures

    for level, bandwidth in bandwidths.items():
        corner = min(max(peak / bandwidth, low), high)
        intensities = [low, corner, high]
        heights = [attainable(i, peak, bandwidth) for i in intensities]
        name = f"{NAMES.get(level, level)} roof, {format_value(bandwidth, 'B/s')}"
        figures.predicted(ax, intensities, heights, name, color=colour(level))
    axes(ax)


def ceiling(ax: Axes, rate: float) -> None:
    """Draw the rate of a large matrix product, in FLOP/s, as a dotted line."""
    from lessons import figures

    ax.axhline(rate, label="torch, large matrix product", **figures.guide(dotted=True))


def border(ax: Axes, place: float, name: str) -> None:
    """Draw a line up a panel at ``place``, such as where a cache ends, with its name above, where no curve comes."""
    from lessons import figures

    ax.axvline(place, **figures.guide(dotted=True))
    ax.annotate(
        name,
        (place, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
    )


def axes(ax: Axes) -> None:
    """Label the axes of a roofline."""
    from lessons import figures

    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}" if value >= 1 else f"1/{round(1 / value)}")
    figures.rate_axis(ax.yaxis, "FLOP/s", log=True)
    ax.set_xlabel("intensity (FLOP/byte)")
    ax.set_ylabel("arithmetic rate")


def machine(passport: Passport, kind: str = "read"):
    """Return this machine's hierarchical roofline for one thread as a picture, from the passport alone.

    Where there are more threads, the roof of all of them over memory is drawn as well. The caches have none there:
    each core brings its own first levels, so that their slopes say nothing new.

    Args:
        passport: its measured peaks.
        kind: which bandwidth makes the slopes: "read", "copy" or "triad".
    """
    from lessons import figures
    from lessons.figures.style import FOREGROUND

    peak = passport.flops("float32").value
    bandwidths = {level: passport.bandwidth(kind, level).value for level in passport.levels}
    ridges = ", ".join(f"{peak / b:.3g} at {NAMES.get(level, level)}" for level, b in bandwidths.items())
    facts = {"peak": format_value(peak, "FLOP/s"), "ridges": ridges, "threads": passport.threads}
    told = ["alt"]
    figure, (ax,) = figures.new()
    with figures.style():
        roofs(ax, peak, bandwidths)
        ceiling(ax, passport.matmul("float32").value)
        top = peak
        if passport.threads > 1:
            flat, slope = passport.flops("float32", None), passport.bandwidth(kind, "dram", None)
            doubtful = ", doubtful" * any(row.source in passport.doubts for row in (flat, slope))
            name = f"{passport.threads} threads, DRAM, {format_value(slope.value, 'B/s')}{doubtful}"
            ridge = flat.value / slope.value
            intensities = [1 / 16, min(max(ridge, 1 / 16), 256), 256]
            heights = [attainable(i, flat.value, slope.value) for i in intensities]
            figures.predicted(ax, intensities, heights, name, color=FOREGROUND)
            top = max(peak, flat.value)  # busy cores may reach less together than one alone
            facts |= {"ridge": f"{ridge:.3g}", "doubtful": doubtful}
            told.append("alt all-threads")
        ax.set_ylim(top=2 * top)
        figures.key(figure)
    said = sections(FOLDER / "text.md")["machine"]
    alt = " ".join(fill(" ".join(said[key].split()), facts) for key in told)
    return figures.render(figure, alt, "roofline.machine")


def measured(ax: Axes, xs: Sequence[object], quantities: Sequence[Quantity], *args, **looks) -> None:
    """Draw measured quantities with their intervals; see ``figures.measured`` for the rest."""
    from lessons import figures

    ends = [q.low for q in quantities], [q.high for q in quantities]
    figures.measured(ax, xs, [q.value for q in quantities], *ends, *args, **looks)
