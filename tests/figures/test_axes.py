"""Ticks say what their axis holds."""

from itertools import pairwise

import pytest

from lessons import figures


def labels(axis):
    axis.figure.canvas.draw()
    low, high = sorted(axis.get_view_interval())
    ticks = zip(axis.get_majorticklocs(), axis.get_major_formatter().format_ticks(axis.get_majorticklocs()))
    return [text for place, text in ticks if low <= place <= high]


@pytest.fixture
def ax():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure, axes = figures.new()
    FigureCanvasAgg(figure)
    return axes[0]


def test_sizes_are_powers_of_two_in_binary_units(ax):
    ax.plot([2**12, 2**28], [1, 2])
    figures.bytes_axis(ax.xaxis)
    shown = labels(ax.xaxis)
    assert 3 <= len(shown) <= 8
    assert all(text.split()[1] in ("KiB", "MiB") for text in shown)


def test_rates_have_prefixes_and_start_at_zero(ax):
    ax.plot([1, 2], [18e9, 40e9])
    figures.rate_axis(ax.yaxis, "B/s")
    shown = labels(ax.yaxis)
    assert shown[0].startswith("0") and "40 GB/s" in shown


def test_a_linear_axis_has_one_unit_and_a_zero_without_one(ax):
    ax.plot([1, 2], [2e-4, 1.1e-3])
    figures.time_axis(ax.yaxis)
    shown = labels(ax.yaxis)
    assert shown[0] == "0" and "0.2 ms" in shown
    assert {text.split()[1] for text in shown[1:]} == {"ms"}


@pytest.mark.parametrize("span", [(1e-9, 2e-7), (2e-3, 9e-3), (1e-9, 10.0)])
def test_a_logarithmic_time_axis_always_has_labels(ax, span):
    ax.plot([1, 2], span)
    figures.time_axis(ax.yaxis, log=True)
    shown = labels(ax.yaxis)
    assert len(shown) >= 2
    assert all(text.endswith("s") for text in shown)


def test_ticks_of_long_words_have_room_on_a_phone():
    figure, (ax,) = figures.new()
    with figures.style():
        figures.published(ax, [2e17, 1.56e18], ["a short name", "GH200 96GB (GPU part)"])
        figures.rate_axis(ax.xaxis, "FLOP")
        figures.render(figure, "long words")  # which leaves it narrow
        figure.draw_without_rendering()
    edges = ax.get_xlim()
    ticks = [t.label1.get_window_extent() for t in ax.xaxis.get_major_ticks() if t.get_loc() <= edges[1]]
    assert len(ticks) >= 2 and all(a.x1 < b.x0 for a, b in pairwise(ticks))
