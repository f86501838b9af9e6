"""A prediction's sum as it stands under its question."""

from __future__ import annotations

from typing import Any

from lessons.experiments.base import Experiment, Outcome
from lessons.experiments.derivation import Operand
from lessons.notebook.tables import Table, table
from lessons.units import format_value

KINDS = {
    "count": "a count, which must come out equal",
    "at most": "a bound, which nothing can exceed",
    "at least": "a bound, below which nothing can go",
    "estimate": "an estimate",
    "ratio": "a ratio of two estimates",
}


def worked(experiment: Experiment, prediction: Outcome) -> str:
    """Return as Markdown the formula with the numbers put in, and where each comes from.

    A recording that is older than sums has none; then nothing is returned.
    """
    by = prediction.by
    if by is None:
        return ""
    result = format_value(prediction.quantity.value, prediction.quantity.unit)
    lines = [
        f"**Prediction**, {KINDS[experiment.kind]}: `{by.written()}` = {by.substituted()} = **{result}**",
        "",
    ]
    return "\n".join(lines + [f"- `{symbol}`: {_operand(o)}" for symbol, o in by.operands.items()])


def ends(experiment: Experiment, prediction: Outcome, result: Outcome) -> Table | None:
    """Return what a ratio divides, predicted and found: a ratio that agrees may hide two that don't."""
    if not prediction.ends:
        return None
    found = "simulated" if experiment.simulated else "measured"
    rows: list[list[Any]] = [
        [name, format_value(end.value, end.unit), result.ends[name], result.ends[name].ratio(end)]
        for name, end in prediction.ends.items()
    ]
    return table(rows, ["", "predicted", found, "ratio"])


def _operand(o: Operand) -> str:
    source = f"passport: `{o.row}`" if o.row else o.source
    return f"{o.shown}, {o.name} ({source})"
