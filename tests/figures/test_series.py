"""Predicted, measured and recorded differ without colour."""

from lessons import figures


def test_the_three_kinds_differ_in_colour_and_in_shape():
    _, axes = figures.new()
    figures.predicted(axes[0], [1, 2], [1, 2])
    figures.measured(axes[0], [1, 2], [1, 2])
    figures.recorded(axes[0], [1, 2], [1, 2])
    lines = axes[0].get_lines()
    assert len({line.get_color() for line in lines}) == 3
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 3


def test_the_interval_is_drawn_where_it_is():
    _, axes = figures.new()
    figures.measured(axes[0], [1.0], [5.0], [4.0], [7.0])
    (segment,) = axes[0].collections[0].get_segments()
    assert segment[:, 1].tolist() == [4.0, 7.0]
