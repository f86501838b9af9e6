"""What the two experiments share that count reads of a warp: a sum over groups of patterns, one operand a group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lessons.experiments.base import Outcome
from lessons.experiments.derivation import Derivation, Operand
from lessons.units import Quantity


def total(groups: Mapping[str, tuple[str, Iterable[Any]]], counted: str) -> Outcome:
    """Return the sum of what the closed forms give, and under ``counted`` in its data what each of them gives.

    Args:
        groups: by the symbol of their operand, a few words and the patterns.
        counted: the attribute of a pattern that is added up.
    """
    due = {
        symbol: {p.name: getattr(p, counted) for p in patterns} for symbol, (_, patterns) in groups.items()
    }
    operands = {
        symbol: Operand(words, Quantity(sum(due[symbol].values()), "1"), "calculated")
        for symbol, (words, _) in groups.items()
    }
    by = Derivation(" + ".join(groups), operands)
    each = {name: count for patterns in due.values() for name, count in patterns.items()}
    return Outcome(by.quantity("1"), {counted: each}, by=by)


def agreement(prediction: Outcome, result: Outcome, counted: str) -> str:
    """Return the finding that says whether every pattern came out as predicted: their sum may hide a difference."""
    return "patterns-agree" if prediction.data[counted] == result.data[counted] else "patterns-differ"
