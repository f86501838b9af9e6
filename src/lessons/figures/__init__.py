"""Figures of one look: colours everybody can tell apart, byte axes, and SVG that follows the page's theme.

    fig, axes = figures.new(panels=(1, 2))
    figures.predicted(axes[0], sizes, expected, "predicted")
    figures.measured(axes[0], sizes, rates, low, high, "measured")
    figures.bytes_axis(axes[0].xaxis)
    figures.rate_axis(axes[0].yaxis, "B/s")
    figures.key(fig)
    figures.render(fig, "Bandwidth falls in three steps as the array outgrows each cache.", "bandwidth")

Matplotlib is imported with this room, so import the room where something is drawn.
"""

from lessons.figures.axes import bytes_axis, rate_axis, time_axis
from lessons.figures.labels import key, name_lines, name_points
from lessons.figures.series import (
    MARKS,
    bars,
    guide,
    levels,
    measured,
    predicted,
    published,
    recorded,
    simulated,
)
from lessons.figures.style import COLOURS, new, style
from lessons.figures.svg import LICENCE, Picture, render

__all__ = [
    "COLOURS",
    "LICENCE",
    "MARKS",
    "Picture",
    "bars",
    "bytes_axis",
    "guide",
    "key",
    "levels",
    "measured",
    "name_lines",
    "name_points",
    "new",
    "predicted",
    "published",
    "rate_axis",
    "recorded",
    "render",
    "simulated",
    "style",
    "time_axis",
]
