"""Diagrams: boxes, arrows and words on a sheet without axes, in the colours of the figures."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from lessons.figures.style import BACKGROUND, COLOURS, FOREGROUND, WIDE, style


def sheet(parts: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with ``parts`` areas side by side, each a phone's width (4.1 units) wide and ``height`` high.

    On a phone they stand below each other. The origin of each is its top left corner; y grows downwards.
    """
    with style():
        figure = Figure(figsize=(WIDE, height), layout="constrained")
        axes = figure.subplots(1, parts, squeeze=False).ravel()
        for ax in axes:
            ax.set(xlim=(0, 4.1), ylim=(height, 0), xticks=[], yticks=[])
            ax.set_aspect("auto")
            for spine in ax.spines.values():
                spine.set_visible(False)
            ax.grid(False)
    return figure, list(axes)


def box(
    ax: Axes,
    place: tuple[float, float],
    size: tuple[float, float],
    text: str = "",
    colour: str | None = None,
    hatch: str = "",
    dashed: bool = False,
) -> None:
    """Draw a box from its top left corner, with its words in the middle.

    Args:
        ax: from ``sheet``.
        place: left and top.
        size: width and height.
        text: the words.
        colour: a key of ``COLOURS`` that fills it lightly; None leaves it empty.
        hatch: matplotlib's pattern, so that no box is told apart by its colour alone.
        dashed: a dashed edge, for what is free or only possible.
    """
    edge = COLOURS[colour] if colour else FOREGROUND
    if colour:
        ax.add_patch(Rectangle(place, *size, facecolor=COLOURS[colour], alpha=0.25, linewidth=0))
    ax.add_patch(
        Rectangle(
            place, *size, fill=False, edgecolor=edge, linestyle="--" if dashed else "-", hatch=hatch or None
        )
    )
    note(ax, (place[0] + size[0] / 2, place[1] + size[1] / 2), text, plate=bool(hatch))


def note(ax: Axes, place: tuple[float, float], text: str, align: str = "center", plate: bool = False) -> None:
    """Write a few words around a point, or from it ("left") or up to it ("right")."""
    if not text:
        return
    behind = {"facecolor": BACKGROUND, "edgecolor": "none", "pad": 1.5} if plate else None
    ax.text(*place, text, ha=align, va="center", color=FOREGROUND, bbox=behind)


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], dashed: bool = False) -> None:
    """Draw an arrow from ``start`` to ``end``."""
    look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 10, "color": FOREGROUND, "linewidth": 1.2}
    ax.add_patch(FancyArrowPatch(start, end, linestyle="--" if dashed else "-", shrinkA=0, shrinkB=0, **look))
