"""What an interval shows: the one place where a number becomes a word."""

from __future__ import annotations

from lessons.units import Quantity

# A prediction within a quarter of what was measured, either way, was a good one.
BAND = 1.25

AS_FORESEEN, MORE, LESS, UNSURE = "as-foreseen", "more-than-foreseen", "less-than-foreseen", "cant-tell"
FORESEEN = (AS_FORESEEN, MORE, LESS, UNSURE)
# A ratio may come out as predicted because both of its ends miss alike.
CANCEL = "errors-cancel"
JUDGED = (*FORESEEN, CANCEL)
# Nothing may be better than a bound: where something surely is, the bound is wrong.
BEATEN = "bound-beaten"
AT_MOST, AT_LEAST = (AS_FORESEEN, LESS, UNSURE, BEATEN), (AS_FORESEEN, MORE, UNSURE, BEATEN)
EQUAL, UNEQUAL = "equal", "unequal"
COUNTED = (EQUAL, UNEQUAL)
GOOD = (AS_FORESEEN, EQUAL)
# The verdicts as readers see them.
WORDS = {
    AS_FORESEEN: "as predicted",
    MORE: "more than predicted",
    LESS: "less than predicted",
    UNSURE: "can't tell",
    CANCEL: "errors cancel",
    BEATEN: "bound beaten",
    EQUAL: "equal",
    UNEQUAL: "unequal",
}


def within(value: float, band: float = BAND) -> bool:
    """Tell whether a ratio lies within the band around 1."""
    return 1 / band <= value <= band


def foreseen(ratio: Quantity) -> str:
    """Return how a measurement came out beside its prediction, decided on the whole interval.

    Args:
        ratio: measured over predicted, with its interval.

    Returns:
        "as-foreseen" where the interval lies within the band, "more-than-foreseen" or "less-than-foreseen" where
        it lies wholly outside, "cant-tell" where it reaches over an end of the band, or is no number.
    """
    if within(ratio.low) and within(ratio.high):
        return AS_FORESEEN
    if ratio.low > BAND:
        return MORE
    if ratio.high < 1 / BAND:
        return LESS
    return UNSURE


def judged(ratio: Quantity, *ends: Quantity) -> str:
    """Return the verdict on a ratio of two measured things, having looked at each of them.

    A ratio may come out as predicted because both of its ends miss alike.

    Args:
        ratio: the measured ratio over the predicted one.
        ends: each end of the ratio, measured over predicted.

    Returns:
        What ``foreseen`` says of the ratio; but where that is "as-foreseen" the ends have a say: "errors-cancel" where
        one surely is not, and "cant-tell" where one may not be.
    """
    verdict, of_ends = foreseen(ratio), {foreseen(end) for end in ends}
    if verdict != AS_FORESEEN or of_ends <= {AS_FORESEEN}:
        return verdict
    return CANCEL if of_ends & {MORE, LESS} else UNSURE


def bounded(ratio: Quantity, side: str) -> str:
    """Return how close a measurement came to its bound, decided on the whole interval.

    Args:
        ratio: measured over the bound.
        side: "at most" where the bound is the largest value possible, "at least" where it is the smallest.

    Returns:
        "bound-beaten" where the whole interval lies beyond the bound. Else as ``foreseen``, the side of the interval
        that lies beyond not counted.
    """
    if ratio.low > 1 if side == "at most" else ratio.high < 1:
        return BEATEN
    low, high = (min(q, 1.0) if side == "at most" else max(q, 1.0) for q in (ratio.low, ratio.high))
    return foreseen(Quantity(ratio.value, "1", low, high))


def counted(ratio: Quantity) -> str:
    """Return "equal" where a count came out as predicted, to the rounding of a float, else "unequal"."""
    return EQUAL if abs(ratio.value - 1) < 1e-9 else UNEQUAL


def differs(quantity: Quantity, other: float = 1.0) -> int:
    """Return 1 where the whole interval lies above ``other``, -1 where it lies below, 0 where they aren't told apart.

    Two measured things are compared by this alone, without a band: a gain of 3 % is a gain if the interval says so.
    """
    return (quantity.low > other) - (quantity.high < other)
