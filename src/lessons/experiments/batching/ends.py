"""A ratio may come out as foretold because both of its ends miss alike: the verdict that looks at them too."""

from __future__ import annotations

from lessons.measure.verdict import AS_FORESEEN, FORESEEN, LESS, MORE, foreseen
from lessons.units import Quantity

CANCEL = "errors-cancel"
VERDICTS = (*FORESEEN, CANCEL)


def judged(ratio: Quantity, *ends: Quantity) -> str:
    """Return the verdict on a ratio of two measured things, having looked at each of them.

    Args:
        ratio: the measured ratio over the predicted one.
        ends: each end of the ratio, measured over predicted.

    Returns:
        "errors-cancel" where the ratio is as foreseen and an end surely is not; else what ``foreseen`` says.
    """
    verdict = foreseen(ratio)
    missed = any(foreseen(end) in (MORE, LESS) for end in ends)
    return CANCEL if verdict == AS_FORESEEN and missed else verdict
