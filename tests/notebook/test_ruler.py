"""Whatever the values are, each mark and its label are on the ruler, and in the order of the values."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.notebook.ruler import CHARACTER, LANE, Mark, Scale, limits, ruler, ticks

UNITS = ["s", "B/s", "1", "%", "tokens/s"]
usual = st.floats(1e-9, 1e13)
wild = st.floats(1e-305, 1e305)
SIZES = {"wide": (640, 13), "narrow": (320, 12.5)}


def mark(kind, value, spread=0.0):
    return Mark(kind, kind, value, value * (1 - spread), value * (1 + spread))


DRAWING = re.compile(r'<svg class="lessons-ruler lessons-(\w+)"(.*?)</svg>')
LABELLED = re.compile(
    r'translate\(([\d.]+) 0\)">.*?<text x="([-\d.]+)" y="([\d.]+)" text-anchor="(\w+)"[^>]*>(.*?)</text>'
)


def drawn(marks, unit="s"):
    """Return each size's marks as (x, label, label's x, its anchor, its y)."""
    return {
        size: [
            (float(x), label, float(x) + float(at), anchor, float(y))
            for x, at, y, anchor, label in LABELLED.findall(svg)
        ]
        for size, svg in DRAWING.findall(ruler("r", "estimate", unit, marks))
    }


@given(st.lists(wild, min_size=2, max_size=4), st.sampled_from(UNITS), st.floats(0, 2))
def test_marks_stand_inside_and_in_the_order_of_their_values(values, unit, spread):
    kinds = [*("guess", "textbook")[: len(values) - 2], "predicted", "measured"]
    marks = [mark(*pair) for pair in zip(kinds, values)]
    marks[-1] = mark("measured", values[-1], spread)
    for size, places in drawn(marks, unit).items():
        width, _ = SIZES[size]
        xs = [x for x, *_ in places]
        assert len(xs) == len(marks) and all(0 < x < width for x in xs)
        ranked = sorted(zip(values, xs))
        assert [x for _, x in ranked] == sorted(xs)


@given(st.lists(usual, min_size=2, max_size=4), st.sampled_from(UNITS), st.floats(0, 2))
def test_labels_stand_inside_the_drawing_and_each_in_its_lane(values, unit, spread):
    kinds = [*("guess", "textbook")[: len(values) - 2], "predicted", "simulated"]
    marks = [mark(*pair) for pair in zip(kinds, values)]
    marks[-1] = mark("simulated", values[-1], spread)
    for size, places in drawn(marks, unit).items():
        width, font = SIZES[size]
        for lane, (x, label, at, anchor, y) in enumerate(places):
            length = CHARACTER * font * len(label)
            left = at - {"start": 0, "middle": length / 2, "end": length}[anchor]
            assert left >= -0.2 and left + length <= width + 0.2
            assert LANE * lane + font * 0.7 <= y <= LANE * (lane + 1)
            # Beside its mark; where there is no room, above it.
            assert anchor == "middle" or left >= x + 5 or left + length <= x - 5


@given(st.floats(-320, 308), st.floats(0.1, 600), st.integers(2, 9))
def test_ticks_are_round_inside_and_no_more_than_asked_for(low, span, most):
    found = ticks(low, low + span, most)
    assert len(found) <= most and found == sorted(set(found))
    for value in found:
        assert low - 1e-9 <= math.log10(value) <= low + span + 1e-9 or value < 1e-300  # subnormal: rounded
        assert f"{value:.0e}"[0] in "125"


@given(st.floats(-12, 12))
def test_the_shortest_ruler_has_two_numbers(at):
    low, high = limits([], 10**at)
    assert len(ticks(low, high, 4)) >= 2


@given(wild, wild)
def test_the_ruler_reaches_half_and_twice_the_prediction(predicted, measured):
    low, high = limits([mark("measured", measured)], predicted)
    assert low < math.log10(predicted) - 0.3 and high > math.log10(predicted) + 0.3
    assert low < math.log10(measured) < high


@given(st.floats(1e-4, 1), st.floats(1e-4, 1), st.booleans())
def test_an_axis_of_shares_ends_at_all_of_them(predicted, measured, roomy):
    low, high = limits([mark("measured", measured)], predicted, roomy, "%")
    assert low < math.log10(min(predicted, measured)) <= math.log10(max(predicted, measured)) <= high <= 0


@given(st.floats(1.01, 4))
def test_a_share_above_all_of_them_is_on_the_axis(measured):
    assert limits([mark("measured", measured)], 0.9, unit="%")[1] > math.log10(measured)


@pytest.mark.parametrize(
    "size, svg", DRAWING.findall(ruler("r", "estimate", "%", [mark("predicted", 0.8), mark("measured", 0.9)]))
)
def test_the_number_at_the_end_of_an_axis_of_shares_is_whole(size, svg):
    width, font = SIZES[size]
    (at,) = re.findall(r'<text x="([\d.]+)"[^>]*>100 %</text>', svg)
    assert float(at) + 3.19 * font / 2 <= width  # as wide as DejaVu Sans sets it


@pytest.mark.parametrize(
    ("unit", "values", "spread", "text", "wide"),
    [("s", (0.022, 0.026), 0.02, "50 ms", 3.09), ("1", (4.15, 3.74), 0.43, "measured 3.74", 7.57)],
)
def test_words_with_wide_letters_at_the_right_end_are_whole(unit, values, spread, text, wide):
    last = Mark("measured", "measured", values[1], values[1] * (1 - spread), values[1] * (1 + 1.25 * spread))
    found = 0
    for size, svg in DRAWING.findall(ruler("r", "estimate", unit, [mark("predicted", values[0]), last])):
        width, font = SIZES[size]
        for at, anchor in re.findall(rf'<text x="([-\d.]+)"[^>]*text-anchor="(\w+)"[^>]*>{text}</text>', svg):
            own = re.findall(rf'translate\(([\d.]+) 0\)"(?:(?!</g>).)*{text}', svg)
            left = float(at) + float(own[-1] if own else 0)
            share = {"start": 1, "middle": 0.5, "end": 0}[anchor]
            right = left + share * wide * font  # as DejaVu Sans sets it
            assert right <= width
            found += 1
    assert found


def test_a_scale_is_logarithmic_and_ends_at_its_ends():
    scale = Scale(-3, 0, 10, 310)
    assert [scale.place(v) for v in (0, -1, 1e-9, 1e-3, 1e-2, 0.1, 1, 1e9)] == pytest.approx(
        [10, 10, 10, 10, 110, 210, 310, 310]
    )


def test_an_asking_ruler_keeps_a_lane_for_the_guess_that_it_does_not_show():
    marks = [mark("predicted", 2.0), mark("measured", 3.0)]
    svg = ruler("r", "estimate", "s", marks, asks=True)
    assert svg.count('data-mark="guess"') == 2
    box, bare = (re.search(rf'{name}="0 ([\d.]+) 640 ([\d.]+)"', svg) for name in ("data-box", "viewBox"))
    assert (float(box[1]), float(bare[1])) == (0, LANE)
    assert float(box[2]) == float(bare[2]) + LANE
    assert 'data-mark="guess"' not in ruler("r", "estimate", "s", marks)
