"""Each kind of prediction is scored by what it claims."""

import dataclasses
import math
import re

import pytest

from lessons.measure.verdict import BAND, JUDGED, WORDS
from lessons.notebook import scores
from lessons.notebook.scores import HELD, MISSED, OPEN
from lessons.results import Entry
from lessons.units import Quantity


def entry(measured, kind="estimate", verdict="", predicted=1.0, name="x"):
    """An entry of 1 s predicted; an interval of no width, so that the ratio alone gives the verdict."""
    values = (Quantity(predicted, "s"), Quantity(measured, "s", measured, measured, 5))
    return Entry(f"slug.{name}", f"the {name}", *values, kind=kind, verdict=verdict)


@pytest.mark.parametrize(
    ("kind", "verdict", "outcome"),
    [
        ("count", "equal", HELD),
        ("count", "unequal", MISSED),
        ("at most", "as-foreseen", HELD),
        ("at most", "less-than-foreseen", HELD),
        ("at least", "cant-tell", HELD),
        ("at least", "bound-beaten", MISSED),
        ("estimate", "as-foreseen", HELD),
        ("estimate", "less-than-foreseen", MISSED),
        ("estimate", "cant-tell", OPEN),
        ("ratio", "as-foreseen", HELD),
        ("ratio", "errors-cancel", MISSED),
    ],
)
def test_what_a_kind_claims_decides_its_outcome(kind, verdict, outcome):
    assert scores.outcome(entry(1.0, kind, verdict)) == outcome


def test_an_entry_that_nobody_judged_is_judged_by_its_ratio():
    assert [scores.outcome(entry(measured)) for measured in (1.1, 3.0)] == [HELD, MISSED]


def test_every_verdict_of_every_kind_has_an_outcome_and_words():
    every = [entry(2.0, kind, verdict) for kind in sum(scores.KINDS.values(), ()) for verdict in WORDS]
    assert {scores.outcome(e) for e in every} == {HELD, MISSED, OPEN}
    assert sum(scores.count(every).values()) == len(every) and all(map(scores.words, every))


def test_the_error_is_the_same_factor_either_way():
    assert scores.error(entry(4.0)) == pytest.approx(scores.error(entry(0.25))) == pytest.approx(4.0)
    assert scores.error(entry(1.0, predicted=0.0)) == scores.error(entry(-1.0)) == math.inf


def test_the_widest_miss_is_one_that_missed():
    near, far = entry(1.5, name="near"), entry(0.2, name="far")
    bound = entry(0.01, "at most", "less-than-foreseen", name="bound")
    open_, odd = entry(9.0, verdict="cant-tell", name="open"), entry(1.0, predicted=0.0, name="odd")
    lucky = entry(1.0, "ratio", "errors-cancel", name="lucky")
    assert scores.widest([near, far, bound, open_, odd, lucky]).id == "slug.far"
    assert scores.widest([bound, open_, lucky, entry(1.0)]) is None and scores.widest([]) is None


def line(text, kind):
    """Return what is said of a kind, in words and numbers."""
    (found,) = [row for row in text.splitlines() if row.startswith(f"- **{kind}**")]
    return found.partition(": ")[2]


def numbers(text):
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def test_estimates_are_scored_by_their_factors():
    entries = [entry(measured) for measured in (1.2, 1 / 1.9, 4.0)]
    held, near, twice, band, mean = numbers(line(scores.summary(entries), "estimates"))
    assert (held, near, twice, band) == (1, 1, 2, 2)
    assert mean == pytest.approx((1.2 * 1.9 * 4.0) ** (1 / 3), rel=0.005)


def test_an_estimate_that_this_run_cannot_tell_did_not_hold_however_near_it_is():
    held, near, *_ = numbers(line(scores.summary([entry(1.1, verdict="cant-tell"), entry(1.1)]), "estimates"))
    assert (held, near) == (1, 2)


def test_bounds_are_scored_by_whether_they_held_and_how_near_they_were_reached():
    entries = [entry(m, "at most", v) for m, v in ((0.4, "less-than-foreseen"), (0.95, "as-foreseen"))]
    entries.append(entry(1.7, "at most", "bound-beaten"))
    assert numbers(line(scores.summary(entries), "bounds")) == [2, 1, 1, 1, 0.4, 0.95]
    assert numbers(line(scores.summary(entries[2:]), "bounds")) == [0, 1]


def test_bounds_that_held_are_told_by_the_verdicts_of_their_pages_too():
    """A bound holds until it is surely beaten; its page says how near it was reached, or that it can't tell."""
    verdicts = ["cant-tell", "more-than-foreseen", "cant-tell"]
    told = line(scores.summary([entry(1.1, "at least", v) for v in verdicts]), "bounds")
    assert f"{WORDS['cant-tell']} 2" in told and f"{WORDS['more-than-foreseen']} 1" in told


def test_a_ratio_whose_errors_cancel_does_not_count():
    entries = [entry(1.0, "ratio", verdict) for verdict in JUDGED]
    assert numbers(line(scores.summary(entries), "ratios")) == [1, 1]
    without = [entry(1.0, "ratio", verdict) for verdict in JUDGED if verdict != "errors-cancel"]
    assert numbers(line(scores.summary(without), "ratios")) == [1]


def test_kinds_without_an_entry_are_not_named_and_what_has_no_factor_breaks_nothing():
    text = scores.summary([entry(1.0, predicted=0.0)])
    assert text.count("- **") == 1 and line(text, "estimates") and "widest" not in text


def test_the_summary_says_what_within_a_quarter_is():
    assert f"{1 / BAND:g} and {BAND:g}" in scores.summary([entry(1.0)])


def test_an_empty_ledger_is_no_error():
    assert scores.summary([]) == scores.EMPTY


def test_titles_and_values_of_the_widest_miss_stand_in_the_summary():
    worst = dataclasses.replace(entry(9.0, name="worst"), title="a *title*")
    assert worst.title in scores.summary([entry(1.0), worst])
