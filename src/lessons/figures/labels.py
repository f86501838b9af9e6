"""Words beside what they name, and legends that stand beside the data."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.path import Path

from lessons.figures.style import FOREGROUND, TEXT

# Of the smallest panel there is, in points: half the page's column, or a phone. What fits there fits everywhere.
_WIDE, _HIGH = 225.0, 180.0
_LINE = 1.25 * TEXT
_LETTER = 0.56 * TEXT
_LETTERS = 16  # of a line of a name beside a panel


def key(figure: Figure) -> None:
    """Draw one legend of all panels below them, where it covers nothing. A label that two panels use stands once.

    ``render`` gives it as many columns as fit.
    """
    found = {label: handle for ax in figure.axes for handle, label in zip(*ax.get_legend_handles_labels())}
    if found:
        figure.legend(list(found.values()), list(found), loc="outside lower center", ncols=len(found))


def name_points(ax: Axes, points: Mapping[str, tuple[float, float]], near: float = 22.0) -> None:
    """Write names beside points, each where no point, no line and no other name is. Points on one spot share a name.

    Args:
        ax: with its limits and scales as they shall be.
        points: x and y by name, in the units of the axes.
        near: how close two points are one spot, in points (1/72 inch) of a small panel.
    """
    spots: list[dict[str, tuple[float, float]]] = []
    for name, place in points.items():
        x, y = _spot(ax, place)
        for spot in spots:
            a, b = next(iter(spot.values()))
            if abs(a - x) < near and abs(b - y) < near:
                spot[name] = (x, y)
                break
        else:
            spots.append({name: (x, y)})
    taken = [(x - 4, y - 4, x + 4, y + 4) for spot in spots for x, y in spot.values()]
    for line in ax.lines:
        drawn = Path(line.get_transform().transform(line.get_path().vertices))  # straight on the screen
        if line.get_linestyle() != "None" and len(drawn) > 1:
            drawn = drawn.interpolated(40)
        places = ax.transAxes.inverted().transform(drawn.vertices)
        taken += [(_WIDE * x - 2, _HIGH * y - 2, _WIDE * x + 2, _HIGH * y + 2) for x, y in places]
    for spot in spots:
        text = "\n".join(textwrap.wrap(", ".join(spot), 24))
        width, height = _LETTER * max(map(len, text.split("\n"))), _LINE * (text.count("\n") + 1)
        first, (x, y) = next(iter(spot.items()))
        # From the first point to the edges of all.
        west, east = (f(a for a, _ in spot.values()) - x for f in (min, max))
        south, north = (f(b for _, b in spot.values()) - y for f in (min, max))
        choices = [
            (east + 8, 0.0, "left", "center", (x + east + 8, y - height / 2)),
            (west - 8, 0.0, "right", "center", (x + west - 8 - width, y - height / 2)),
            (0.0, south - 9, "center", "top", (x - width / 2, y + south - 9 - height)),
            (0.0, north + 9, "center", "bottom", (x - width / 2, y + north + 9)),
            (east + 8, south - 9, "left", "top", (x + east + 8, y + south - 9 - height)),
            (east + 8, north + 9, "left", "bottom", (x + east + 8, y + north + 9)),
            (west - 8, south - 9, "right", "top", (x + west - 8 - width, y + south - 9 - height)),
            (west - 8, north + 9, "right", "bottom", (x + west - 8 - width, y + north + 9)),
        ]
        boxes = [(left, low, left + width, low + height) for *_, (left, low) in choices]
        costs = [_overlap(box, taken) + _outside(box) for box in boxes]
        best = costs.index(min(costs))
        right, up, across, along, _ = choices[best]
        taken.append(boxes[best])
        ax.annotate(
            text, points[first], (right, up), textcoords="offset points",
            ha=across, va=along, color=FOREGROUND, zorder=6,
        )  # fmt: skip


def name_lines(ax: Axes, ends: Mapping[str, tuple[float, float]]) -> None:
    """Write names at the right edge of a panel, each at the height where its line ends, and apart from each other.

    A long name is broken into lines: on a phone it takes its width from the panel.

    Args:
        ax: with its limits and scales as they shall be.
        ends: the last x and y of each line by name, in the units of the axes.
    """
    heights = {name: _spot(ax, end)[1] for name, end in ends.items()}
    top = 0.0  # of the name before
    for name in sorted(heights, key=lambda name: heights[name]):
        lines = textwrap.wrap(name, _LETTERS)
        half = _LINE * len(lines) / 2
        middle = max(heights[name], top + half)
        top = middle + half
        ax.annotate(
            "\n".join(lines), (1, middle / _HIGH), (5, 0), xycoords="axes fraction", textcoords="offset points",
            va="center", color=FOREGROUND, annotation_clip=False,
        )  # fmt: skip


def _spot(ax: Axes, place: tuple[float, float]) -> tuple[float, float]:
    ax.get_xlim(), ax.get_ylim()  # the limits are settled when somebody asks for them
    across, up = ax.transAxes.inverted().transform(ax.transData.transform(place))
    return _WIDE * across, _HIGH * up


def _overlap(box: tuple[float, ...], others: Sequence[tuple[float, ...]]) -> float:
    left, low, right, high = box
    return sum(
        max(0.0, min(right, r) - max(left, a)) * max(0.0, min(high, t) - max(low, b)) for a, b, r, t in others
    )


def _outside(box: tuple[float, ...]) -> float:
    """Return how much of a box is outside the panel, weighed: words over the axis are worse than over a line."""
    left, low, right, high = box
    across = max(0.0, -left) + max(0.0, right - _WIDE)
    up = max(0.0, -low) + max(0.0, high - _HIGH)
    return 50 * (across * (high - low) + up * (right - left))
