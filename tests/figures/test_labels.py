"""Legends and names beside what they name: once, apart from each other, on the figure."""

from itertools import combinations

import numpy as np
import pytest

from lessons import figures


@pytest.fixture
def ax():
    _, (ax,) = figures.new((1, 1))
    ax.set(xlim=(0, 10), ylim=(0, 10))
    return ax


def texts(ax):
    figures.render(ax.figure, "names")  # which leaves it narrow
    ax.figure.draw_without_rendering()
    return {text.get_text(): text.get_window_extent() for text in ax.texts}


def test_a_legend_names_what_two_panels_share_once():
    figure, axes = figures.new((1, 2))
    for ax in axes:
        figures.measured(ax, [1, 2], [1, 2])
    figures.predicted(axes[1], [1, 2], [1, 2])
    figures.key(figure)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["measured", "predicted"]


def test_a_figure_without_labels_has_no_legend(ax):
    figures.key(ax.figure)
    assert ax.figure.legends == []


def test_points_on_one_spot_share_a_name(ax):
    figures.name_points(ax, {"q": (2, 2), "k": (2.01, 2), "norm": (8, 8)})
    assert texts(ax).keys() == {"q, k", "norm"}


def test_a_shared_name_stands_on_none_of_its_points(ax):
    points = {"one": (5.0, 5.0), "another": (5.2, 4.2), "a third": (5.0, 5.6)}
    figures.name_points(ax, points)
    ((_, box),) = texts(ax).items()
    assert not [p for p in points.values() if box.contains(*ax.transData.transform(p))]


def test_a_name_keeps_off_a_line_between_points_far_apart_on_logarithmic_axes(ax):
    ax.set(xlim=(1e-4, 1e3), ylim=(1e-4, 1e3), xscale="log", yscale="log")
    ax.plot([1e-4, 1e3], [1e-2, 1e-2])
    figures.name_points(ax, {"a long name": (1e-2, 1e-2)})
    ((_, box),) = texts(ax).items()
    drawn = ax.transData.transform([(10.0**p, 1e-2) for p in np.linspace(-4, 3, 200)])
    assert not [p for p in drawn if box.contains(*p)]


def test_names_of_points_lie_apart(ax):
    figures.name_points(ax, {f"name {i}": (4 + i, 5.0) for i in range(3)}, near=0)
    boxes = texts(ax)
    assert len(boxes) == 3
    assert not [pair for pair in combinations(boxes, 2) if boxes[pair[0]].overlaps(boxes[pair[1]])]


def test_names_of_lines_that_end_together_lie_apart_and_on_the_figure(ax):
    figures.name_lines(
        ax, {"one of three long names": (10, 5), "another of the three": (10, 5), "c": (10, 5.2)}
    )
    boxes = texts(ax)
    assert not [pair for pair in combinations(boxes, 2) if boxes[pair[0]].overlaps(boxes[pair[1]])]
    assert all(box.x1 <= ax.figure.bbox.width for box in boxes.values())
