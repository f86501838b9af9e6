"""Figures of one look: colours everybody can tell apart, byte axes, and SVG that follows the page's theme.

    fig, axes = figures.new(panels=(1, 2))
    figures.predicted(axes[0], sizes, expected, "predicted")
    figures.measured(axes[0], sizes, rates, low, high, "measured")
    figures.bytes_axis(axes[0].xaxis)
    figures.rate_axis(axes[0].yaxis, "B/s")
    figures.render(fig, "Bandwidth falls in three steps as the array outgrows each cache.")

Matplotlib is imported with this room, so import the room where something is drawn.
"""

from lessons.figures.axes import bytes_axis, rate_axis, time_axis
from lessons.figures.series import measured, predicted, recorded
from lessons.figures.style import COLOURS, new, style
from lessons.figures.svg import Picture, render

__all__ = [
    "COLOURS",
    "Picture",
    "bytes_axis",
    "measured",
    "new",
    "predicted",
    "rate_axis",
    "recorded",
    "render",
    "style",
    "time_axis",
]
