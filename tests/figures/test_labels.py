"""Legends and names beside what they name: once, apart from each other, on the figure."""

from itertools import combinations

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
