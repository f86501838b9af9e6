"""How the predictions did: each kind is scored by what it claims."""

from __future__ import annotations

import math
from collections import Counter
from statistics import fmean

from lessons import topology
from lessons.measure.verdict import (
    BAND,
    BEATEN,
    CANCEL,
    GOOD,
    LESS,
    MORE,
    UNEQUAL,
    UNSURE,
    WORDS,
    foreseen,
    within,
)
from lessons.results import Entry, Ledger
from lessons.units import format_value

HELD, MISSED, OPEN = "held", "missed", "can't tell"
BOUNDS = ("at most", "at least")
KINDS = {"counts": ("count",), "bounds": BOUNDS, "estimates": ("estimate",), "ratios": ("ratio",)}
EMPTY = "The ledger is empty: run the chapters first, then this page."


def mine(ledger: Ledger | None = None) -> list[Entry]:
    """Return the ledger's entries of this machine: a project's folder may have come here from another."""
    return (ledger or Ledger()).entries(topology.read().fingerprint())


def verdict(entry: Entry) -> str:
    """Return how an entry came out; by its ratio alone where nobody judged it when it was written."""
    return entry.verdict if entry.verdict in WORDS else foreseen(entry.ratio)


def outcome(entry: Entry) -> str:
    """Return whether a prediction "held", "missed", or whether this run "can't tell".

    A bound says only that nothing is beyond it: it holds until something surely is.
    """
    found = verdict(entry)
    if found in GOOD or (entry.kind in BOUNDS and found != BEATEN):
        return HELD
    return OPEN if found == UNSURE else MISSED


def words(entry: Entry) -> str:
    """Return the verdict as readers see it: of a bound that it held, however near it was reached."""
    held = entry.kind in BOUNDS and outcome(entry) == HELD
    return "bound held" if held else WORDS[verdict(entry)]


def count(entries: list[Entry]) -> dict[str, int]:
    """Return how many predictions held, missed, and can't be told, each outcome in any case."""
    return {HELD: 0, MISSED: 0, OPEN: 0} | Counter(outcome(e) for e in entries)


def error(entry: Entry) -> float:
    """Return the factor between measured and predicted, the larger over the smaller; infinite where there is none."""
    ratio = entry.ratio.value
    return math.exp(abs(math.log(ratio))) if 0 < ratio < math.inf else math.inf


def widest(entries: list[Entry]) -> Entry | None:
    """Return the prediction that missed by the largest factor; None where none missed that has one.

    Where errors cancel the factor itself is good, and so it is not among these.
    """
    missed = [e for e in entries if verdict(e) in (MORE, LESS, BEATEN, UNEQUAL) and outcome(e) == MISSED]
    return max((e for e in missed if error(e) < math.inf), key=error, default=None)


def summary(entries: list[Entry] | None = None) -> str:
    """Return Markdown that says how many predictions held, how the kinds did, and which missed by most.

    Args:
        entries: those of this machine when left out.
    """
    entries = mine() if entries is None else entries
    if not entries:
        return EMPTY
    counts = count(entries)
    lines = [
        f"Of **{len(entries)}** predictions **{counts[HELD]}** held and **{counts[MISSED]}** missed; for "
        f"**{counts[OPEN]}** this run can't tell. By what they claim:",
        "",
    ]
    scores = {"counts": _counts, "bounds": _bounds, "estimates": _estimates, "ratios": _ratios}
    for name, kinds in KINDS.items():
        if of_kind := [e for e in entries if e.kind in kinds]:
            lines.append(f"- **{name}**, {len(of_kind)}: {scores[name](of_kind)}")
    quarter = (
        f"*Within a quarter* means that the larger number is at most {BAND:g} times the smaller, so that "
    )
    lines += [
        "",
        f"{quarter}measured over predicted lies between {1 / BAND:g} and {BAND:g}. For estimates and ratios "
        "its whole interval decides: inside, they held; outside, they missed; over an edge, this run can't tell.",
    ]
    if (worst := widest(entries)) is not None:
        lines += [
            "",
            f"The widest miss: *{worst.title}* was predicted as {worst.predicted} and came out as {worst.measured}.",
        ]
    return "\n".join(lines)


def _counts(entries: list[Entry]) -> str:
    return f"{count(entries)[HELD]} came out equal, as a count must"


def _bounds(entries: list[Entry]) -> str:
    whole = [e for e in entries if outcome(e) == HELD]
    held = [e.ratio.value for e in whole]
    beaten = f"{len(entries) - len(held)} beaten"
    if not held:
        return f"0 held, {beaten}"
    pages = ", ".join(f"{WORDS[found]} {n}" for found, n in Counter(map(verdict, whole)).items())
    text = f"{len(held)} held, which is to say not surely beaten (on their pages: {pages}), {beaten}"
    ends = dict.fromkeys(format_value(value, "1", 2) for value in (min(held), max(held)))
    return f"{text}; where they held, the measured value is {' to '.join(ends)} times the bound"


def _estimates(entries: list[Entry]) -> str:
    factors = [e for e in (error(entry) for entry in entries) if e < math.inf]
    held = f"{count(entries)[HELD]} held with their whole interval within a quarter"
    if not factors:
        return f"{held}; none has a factor between measured and predicted"
    near, twice = (sum(within(factor, band) for factor in factors) for band in (BAND, 2))
    typical = format_value(math.exp(fmean(math.log(factor) for factor in factors)), "1")
    return (
        f"{held}; of the measured values themselves {near} lie within a quarter and {twice} within a factor of 2, "
        f"and the geometric mean error is a factor of {typical}"
    )


def _ratios(entries: list[Entry]) -> str:
    held, cancel = count(entries)[HELD], sum(verdict(e) == CANCEL for e in entries)
    text = f"{held} came out as predicted, and so did the values that they divide"
    return text + (f"; in {cancel} the ratio did and a value surely missed: errors cancel" if cancel else "")
