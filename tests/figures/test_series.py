"""The kinds of a number differ without colour."""

from lessons import figures

DRAWS = (figures.predicted, figures.measured, figures.simulated, figures.recorded, figures.published)


def test_the_kinds_differ_in_colour_and_in_shape():
    _, axes = figures.new()
    for draw in DRAWS:
        draw(axes[0], [1, 2], [1, 2])
    lines = axes[0].get_lines()
    assert len({line.get_color() for line in lines}) == len(DRAWS)
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == len(DRAWS)


def test_predicted_bars_are_hatched_and_others_filled():
    _, axes = figures.new()
    figures.bars(axes[0], ["a"], [2.0], "ours", start=[1.0])
    figures.bars(axes[0], ["b"], [2.0], "predicted", predicted=True, lying=True)
    filled, hatched = axes[0].patches
    assert (
        filled.get_fill() and not filled.get_hatch() and (filled.get_y(), filled.get_height()) == (1.0, 2.0)
    )
    assert hatched.get_hatch() and not hatched.get_fill() and hatched.get_width() == 2.0


def test_the_interval_is_drawn_where_it_is():
    _, axes = figures.new()
    figures.measured(axes[0], [1.0], [5.0], [4.0], [7.0])
    (segment,) = axes[0].collections[0].get_segments()
    assert segment[:, 1].tolist() == [4.0, 7.0]
