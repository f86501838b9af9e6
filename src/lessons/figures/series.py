"""The kinds of a number, told apart by line, mark and filling, so that no colour is needed.

=========  ==================================  ==============
kind       curve                               bar
=========  ==================================  ==============
predicted  dashed line                         empty, hatched
measured   filled marks, solid line            filled
simulated  filled diamonds, dash-dotted line   filled
recorded   open squares, dotted line           -
published  open triangles, no line             -
=========  ==================================  ==============

Several series of one kind differ by colour and, where they are measured, by another filled mark of ``MARKS``. A line
that is no number, such as the end of a cache, is thin and in the colour of the text: ``guide`` gives its look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from lessons.figures.style import BACKGROUND, COLOURS, FOREGROUND

MARKS = ("o", "s", "v", "P", "X", "p")  # of measured series; the diamond is that of the simulated ones
_HATCH = "////"


def predicted(ax: Axes, x: Sequence, y: Sequence[float], label: str = "predicted", **style: Any) -> None:
    """Draw what a closed form says: a dashed line.

    Args:
        ax: the axes to draw on.
        x, y: the points, in the base units of the axes.
        label: the words for the legend.
        style: what matplotlib's ``plot`` takes, where a figure has several predictions.
    """
    ax.plot(x, y, **{"color": COLOURS["vermilion"], "linestyle": "--", "label": label, "zorder": 3, **style})


def levels(
    ax: Axes, places: Sequence[float], y: Sequence[float], label: str = "predicted", **style: Any
) -> None:
    """Draw a prediction for each of some categories, which no line joins: a short dashed line over each.

    Args:
        ax: the axes to draw on.
        places: where the categories stand on the x axis.
        y: the values, in the base unit of the axis.
        label: the words for the legend.
        style: what matplotlib's ``hlines`` takes.
    """
    look = {"color": COLOURS["vermilion"], "linestyle": "--", "linewidth": 2, "label": label, "zorder": 5}
    ax.hlines(y, [place - 0.38 for place in places], [place + 0.38 for place in places], **{**look, **style})


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
    look = {"color": COLOURS["blue"], "marker": MARKS[0], "linestyle": "-", "label": label, "zorder": 4}
    _with_interval(ax, x, y, low, high, {**look, **style})


def simulated(ax: Axes, x: Sequence, y: Sequence[float], label: str = "simulated", **style: Any) -> None:
    """Draw what a program gave that imitates a machine: filled diamonds, dash-dotted. See ``predicted``."""
    look = {"color": COLOURS["purple"], "marker": "D", "linestyle": "-.", "label": label, "zorder": 4}
    ax.plot(x, y, **{**look, **style})


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


def published(ax: Axes, x: Sequence, y: Sequence, label: str = "published", **style: Any) -> None:
    """Draw what others have written, in a paper or a data sheet: open triangles. Arguments as for ``predicted``."""
    look = {"color": FOREGROUND, "marker": "^", "mfc": BACKGROUND, "ms": 7, "linestyle": "none", "zorder": 5}
    ax.plot(x, y, **{**look, "label": label, **style})


def bars(
    ax: Axes,
    places: Sequence,
    values: Sequence[float],
    label: str,
    predicted: bool = False,
    start: Sequence[float] | None = None,
    lying: bool = False,
    width: float = 0.6,
    colour: str = "blue",
    **style: Any,
) -> None:
    """Draw lengths: filled bars, or empty hatched ones for what is predicted.

    Args:
        ax: the axes to draw on.
        places: where each bar stands: numbers or names.
        values: the lengths, in the base unit of the axis.
        label: the words for the legend.
        predicted: whether a closed form says it.
        start: where each bar begins, for stacked ones; None for zero.
        lying: draw them from left to right.
        width: of a bar, where its neighbour is 1 away.
        colour: a key of ``COLOURS``.
        style: what matplotlib's ``bar`` takes.
    """
    look: dict[str, Any] = {"color": COLOURS[colour], "edgecolor": BACKGROUND, "linewidth": 0.5}
    if predicted:
        look = {"fill": False, "hatch": _HATCH, "edgecolor": COLOURS[colour], "linewidth": 1}
    begin = [0.0] * len(values) if start is None else start
    draw, across, along = (ax.barh, "height", "left") if lying else (ax.bar, "width", "bottom")
    draw(places, values, **{across: width, along: begin, "label": label, "zorder": 2, **look, **style})


def guide(dotted: bool = False) -> dict[str, Any]:
    """Return the look of a line that is no number of its own: where a cache ends, what is equal to one."""
    return {"color": FOREGROUND, "linewidth": 0.8, "linestyle": ":" if dotted else "-"}


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
