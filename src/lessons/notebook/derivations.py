"""A prediction's sum as it stands on the result card: the formula, the numbers put in, where each comes from."""

from __future__ import annotations

import html
from collections.abc import Collection

from lessons.experiments.base import Outcome
from lessons.experiments.derivation import Operand
from lessons.units import format_value


def sum_text(prediction: Outcome, doubts: Collection[str] = ()) -> str:
    """Return the sum for a terminal; nothing for a recording that is older than sums. ``doubts`` as in ``sum_html``."""
    by = prediction.by
    if by is None:
        return ""
    lines = [
        f"predicted = {by.written()}",
        f"          = {by.substituted()}",
        f"          = {_result(prediction)}",
    ]
    return "\n".join(
        lines
        + [f"  {symbol}: {o.shown}, {o.name} ({_source(o, doubts)})" for symbol, o in by.operands.items()]
    )


def sum_html(prediction: Outcome, doubts: Collection[str] = ()) -> str:
    """Return the sum as HTML; nothing for a recording that is older than sums.

    Args:
        prediction: whose sum it is.
        doubts: rows of the passport that cannot be right; an operand that is one of them says so.
    """
    by = prediction.by
    if by is None:
        return ""
    operands = "".join(
        f"<li><code>{html.escape(symbol)}</code> <b>{html.escape(o.shown)}</b> "
        f'<span class="lessons-from">{html.escape(o.name)} '
        f"<small>({html.escape(_source(o, doubts))})</small></span></li>"
        for symbol, o in by.operands.items()
    )
    return (
        f'<div class="lessons-sum"><p class="lessons-formula"><code>{html.escape(by.written())}</code><br>'
        f"<span>= {html.escape(by.substituted())}</span><br>"
        f"<span>= <strong>{html.escape(_result(prediction))}</strong></span></p>"
        f'<ul class="lessons-operands">{operands}</ul></div>'
    )


def _result(prediction: Outcome) -> str:
    return format_value(prediction.quantity.value, prediction.quantity.unit)


def _source(o: Operand, doubts: Collection[str]) -> str:
    return f"passport: {o.row}{', doubtful' * (o.row in doubts)}" if o.row else o.source
