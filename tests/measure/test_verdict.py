"""Words for intervals: decided on both ends, never on the median alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.measure.verdict import (
    AS_FORESEEN,
    BAND,
    BEATEN,
    EQUAL,
    LESS,
    MORE,
    UNEQUAL,
    UNSURE,
    bounded,
    counted,
    differs,
    foreseen,
    judged,
)
from lessons.units import Quantity

ends = st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)).map(sorted)


def interval(low, high, value=None):
    return Quantity((low + high) / 2 if value is None else value, "1", low, high, 9)


def about(value):
    return interval(0.97 * value, 1.03 * value, value)


@given(ends)
def test_the_verdict_is_of_the_whole_interval(pair):
    low, high = pair
    inside = {0.8 <= p <= 1.25 for p in (low, high)}
    expected = {
        MORE: low > 1.25,
        LESS: high < 0.8,
        AS_FORESEEN: inside == {True},
    }
    found = foreseen(interval(low, high))
    assert found == next((word for word, holds in expected.items() if holds), UNSURE)


@given(ends)
def test_a_ratio_and_its_inverse_get_opposite_words(pair):
    low, high = pair
    opposite = {MORE: LESS, LESS: MORE, AS_FORESEEN: AS_FORESEEN, UNSURE: UNSURE}
    # Away from the ends of the band, where rounding decides.
    if min(abs(p / end - 1) for p in pair for end in (BAND, 1 / BAND)) > 1e-9:
        assert foreseen(interval(1 / high, 1 / low)) == opposite[foreseen(interval(low, high))]


def test_an_unbounded_interval_shows_nothing():
    assert foreseen(interval(float("-inf"), float("inf"), 1.0)) == UNSURE
    assert foreseen(Quantity(float("nan"), "1")) == UNSURE
    assert differs(interval(float("-inf"), float("inf"), 5.0)) == 0


def test_two_things_differ_where_the_interval_leaves_out_one():
    assert differs(interval(1.01, 1.05)) == 1 and differs(interval(0.9, 0.99)) == -1
    assert differs(interval(0.99, 1.5)) == 0 and differs(interval(1.6, 1.8), 1.5) == 1


@pytest.mark.parametrize(
    ("ratio", "ends", "verdict"),
    [
        (about(1.0), (about(1.0), about(0.95)), "as-foreseen"),
        (about(1.0), (about(0.5), about(0.5)), "errors-cancel"),
        (about(1.0), (about(1.0), about(1.7)), "errors-cancel"),
        (about(1.0), (about(0.8), about(0.8)), "cant-tell"),  # an end may be off
        (about(2.0), (about(0.5), about(1.0)), "more-than-foreseen"),
        (about(1.25), (about(0.5), about(0.6)), "cant-tell"),
    ],
)
def test_a_ratio_that_agrees_is_not_enough(ratio, ends, verdict):
    assert judged(ratio, *ends) == verdict


@pytest.mark.parametrize(
    ("ratio", "at_most", "at_least"),
    [
        (interval(0.9, 1.1), AS_FORESEEN, AS_FORESEEN),
        (
            interval(0.9, 1.9),
            AS_FORESEEN,
            UNSURE,
        ),  # what lies beyond a bound is noise, as long as not all does
        (interval(0.4, 1.1), UNSURE, AS_FORESEEN),
        (interval(0.4, 0.6), LESS, BEATEN),
        (interval(1.5, 1.9), BEATEN, MORE),
        (interval(1.01, 1.02), BEATEN, AS_FORESEEN),
        (interval(0.98, 0.99), AS_FORESEEN, BEATEN),
    ],
)
def test_nothing_beats_a_bound(ratio, at_most, at_least):
    assert bounded(ratio, "at most") == at_most and bounded(ratio, "at least") == at_least


@given(ends)
def test_a_bound_from_below_is_one_from_above_upside_down(pair):
    low, high = pair
    opposite = {MORE: LESS, LESS: MORE}
    found = bounded(interval(1 / high, 1 / low), "at most")
    assert bounded(interval(low, high), "at least") == opposite.get(found, found)


def test_a_count_is_equal_or_not():
    assert counted(interval(1, 1)) == EQUAL and counted(interval(1 + 1e-12, 1 + 1e-12)) == EQUAL
    assert counted(interval(1.0001, 1.0001)) == UNEQUAL
