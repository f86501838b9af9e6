"""The three kinds of a number, told apart by colour and by shape, so that neither is needed alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from lessons.figures.style import COLOURS


def predicted(ax: Axes, x: Sequence, y: Sequence[float], label: str = "predicted", **style: Any) -> None:
    """Draw what a closed form says: a dashed line.

    Args:
        ax: the axes to draw on.
        x, y: the points, in the base units of the axes.
        label: the words for the legend.
        style: what matplotlib's ``plot`` takes, where a figure has several predictions.
    """
    ax.plot(x, y, **{"color": COLOURS["vermilion"], "linestyle": "--", "label": label, "zorder": 3, **style})


def measured(
    ax: Axes,
    x: Sequence,
    y: Sequence[float],
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    label: str = "measured",
    **style: Any,
) -> None:
    """Draw what this machine did: filled circles on a solid line, with the interval of each.

    Args:
        ax: the axes to draw on.
        x, y: the points, in the base units of the axes.
        low, high: the ends of each point's interval; None where there is none.
        label: the words for the legend.
        style: what matplotlib's ``errorbar`` takes, where a figure has several measurements.
    """
    look = {"color": COLOURS["blue"], "marker": "o", "linestyle": "-", "label": label, "zorder": 4}
    _with_interval(ax, x, y, low, high, {**look, **style})


def recorded(
    ax: Axes,
    x: Sequence,
    y: Sequence[float],
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    label: str = "recorded",
    **style: Any,
) -> None:
    """Draw what another, named machine did: open squares on a dotted line. Arguments as for ``measured``."""
    look = {"color": COLOURS["green"], "marker": "s", "mfc": "none", "linestyle": ":", "label": label}
    _with_interval(ax, x, y, low, high, {**look, **style})


def _with_interval(
    ax: Axes,
    x: Sequence,
    y: Sequence[float],
    low: Sequence[float] | None,
    high: Sequence[float] | None,
    style: dict[str, Any],
) -> None:
    interval = None
    if low is not None and high is not None:
        # A median lies inside its interval; max() only keeps rounding from making a negative length.
        below = [max(0.0, value - end) for value, end in zip(y, low)]
        above = [max(0.0, end - value) for value, end in zip(y, high)]
        interval = [below, above]
    ax.errorbar(x, y, yerr=interval, capsize=2.5, elinewidth=1, **style)
