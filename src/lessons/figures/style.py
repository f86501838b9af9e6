"""The look of the book's figures: one palette, one set of sizes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Okabe and Ito's palette, without its yellow (too pale on white) and its black (the text has it).
COLOURS = {
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "sky": "#56b4e9",
    "orange": "#e69f00",
}
FOREGROUND = "#444444"
MUTED = "#d0d0d0"
BACKGROUND = "#fefefe"  # not pure white: render() must tell the page's background from white paint

# Inches. Ten-point text, the smallest there is, is then 12 pixels high in the page's column, and 11 on a phone.
TEXT = 10  # points
WIDE, NARROW = 8.6, 4.3
PANEL_HEIGHT = 3.5


def _settings() -> dict[Any, Any]:
    foreground = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    return {
        **dict.fromkeys(foreground, FOREGROUND),
        "axes.facecolor": "none",
        "axes.grid": True,
        "axes.axisbelow": True,  # a grid over bars looks like part of the bars
        "axes.grid.which": "major",
        "axes.prop_cycle": cycler(color=list(COLOURS.values())),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": TEXT,
        "figure.facecolor": "none",
        "font.size": TEXT,
        "grid.color": MUTED,
        "grid.linewidth": 0.6,
        "legend.edgecolor": "none",
        "legend.facecolor": BACKGROUND,
        "legend.framealpha": 0.8,
        "legend.fontsize": TEXT,
        "lines.linewidth": 1.8,
        "lines.markersize": 5,
        "svg.fonttype": "none",
    }


@contextmanager
def style() -> Iterator[None]:
    """Draw with the book's look inside this block; matplotlib's own settings return after it.

    Source:
        The palette is that of Okabe and Ito, "Color Universal Design" (2008).
    """
    with matplotlib.rc_context(_settings()):
        yield


def new(panels: tuple[int, int] = (1, 1)) -> tuple[Figure, NDArray]:
    """Return a figure and its axes, ready for ``predicted``, ``measured`` and ``recorded``.

    The figure belongs to no window and no ``pyplot`` state: nothing shows it twice or has to close it.

    Args:
        panels: rows and columns.

    Returns:
        The figure, and its axes as a one-dimensional array, row by row.
    """
    rows, columns = panels
    with style():
        figure = Figure(figsize=(WIDE, PANEL_HEIGHT * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, axes.ravel()
