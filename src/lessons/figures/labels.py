"""Words beside what they name, and legends that stand beside the data."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
    spots: list[tuple[float, float, list[str]]] = []
    for name, place in points.items():
        x, y = _spot(ax, place)
        same = [names for a, b, names in spots if abs(a - x) < near and abs(b - y) < near]
        if same:
            same[0].append(name)
        else:
            spots.append((x, y, [name]))
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y, _ in spots]
    for line in ax.lines:
        path = line.get_path()
        if line.get_linestyle() != "None" and len(path) > 1:
            path = path.interpolated(20)
        places = ax.transAxes.inverted().transform(line.get_transform().transform(path.vertices))
        taken += [(_WIDE * x - 2, _HIGH * y - 2, _WIDE * x + 2, _HIGH * y + 2) for x, y in places]
    for x, y, names in spots:
        text = "\n".join(textwrap.wrap(", ".join(names), 24))
        width, height = _LETTER * max(map(len, text.split("\n"))), _LINE * (text.count("\n") + 1)
        choices = [
            (8.0, 0.0, "left", "center", (x + 8, y - height / 2)),
            (-8.0, 0.0, "right", "center", (x - 8 - width, y - height / 2)),
            (0.0, -9.0, "center", "top", (x - width / 2, y - 9 - height)),
            (0.0, 9.0, "center", "bottom", (x - width / 2, y + 9)),
            (8.0, -9.0, "left", "top", (x + 8, y - 9 - height)),
            (8.0, 9.0, "left", "bottom", (x + 8, y + 9)),
            (-8.0, -9.0, "right", "top", (x - 8 - width, y - 9 - height)),
            (-8.0, 9.0, "right", "bottom", (x - 8 - width, y + 9)),
        ]
        boxes = [(left, low, left + width, low + height) for *_, (left, low) in choices]
        costs = [_overlap(box, taken) + _outside(box) for box in boxes]
        best = costs.index(min(costs))
        right, up, across, along, _ = choices[best]
        taken.append(boxes[best])
        ax.annotate(
            text, points[names[0]], (right, up), textcoords="offset points",
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
