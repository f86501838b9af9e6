"""The result card: a question, the prediction's sum, a ruler, the numbers, and the verdict in a word."""

from __future__ import annotations

import html
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from lessons.experiments.base import Experiment, Outcome
from lessons.measure.verdict import GOOD, UNSURE, WORDS
from lessons.notebook.code import measured_code
from lessons.notebook.derivations import sum_html, sum_text
from lessons.notebook.highlight import highlighted
from lessons.notebook.ruler import Mark, ruler
from lessons.notebook.tables import Table, table
from lessons.units import Quantity

KINDS = {
    "count": "a count, which must come out equal",
    "at most": "a bound, which nothing can exceed",
    "at least": "a bound, below which nothing can go",
    "estimate": "an estimate",
    "ratio": "a ratio of two estimates",
}
# What the ground of the ruler means, said below it.
GROUNDS = {
    "at most": "Hatched: beyond the bound.",
    "at least": "Hatched: beyond the bound.",
    "estimate": "Shaded: within a quarter of the prediction.",
    "ratio": "Shaded: within a quarter of the prediction.",
}
# Enough for a notebook without the site's style sheet (book/assets/card.css).
FRAME = "border:1px solid var(--lessons-muted,var(--jp-border-color1,#d0d0d0));border-radius:8px;padding:0.9em 1.1em"


@dataclass(frozen=True)
class Card:
    """An experiment's result. A notebook shows it as a cell's value.

    Attributes:
        experiment: whose it is.
        prediction, result: live or recorded.
        guess: the reader's own, in the experiment's base unit.
        badge: where a recorded result comes from; nothing for one of this machine.
        asks: the web page asks for a guess before it shows the rest (book/assets/guess.js); only without a ``guess``.
        doubts: rows of the passport that the prediction was made from and that cannot be right.
    """

    experiment: Experiment
    prediction: Outcome
    result: Outcome
    guess: float | None = None
    badge: str = ""
    asks: bool = False
    doubts: Collection[str] = ()

    @property
    def found(self) -> str:
        """How the result came about, in a word."""
        if self.experiment.simulated:
            return "simulated"
        return "recorded" if self.badge else "measured"

    @property
    def anchor(self) -> str:
        """The card's id on its page, such as "result-kv_cache-waste"."""
        return f"result-{self.experiment.id.replace('.', '-')}"

    @property
    def verdict(self) -> str:
        return self.experiment.verdict(self.prediction, self.result)

    @property
    def values(self) -> list[tuple[str, Quantity]]:
        """The numbers by their names, in the order of the ruler's lanes."""
        predicted, found = self.prediction.quantity, self.result.quantity
        rows = [
            ("your guess", None if self.guess is None else Quantity(self.guess, found.unit)),
            ("by the textbook", self.prediction.textbook),
            ("predicted", predicted),
            (self.found, found),
            (f"{self.found} / predicted", found.ratio(predicted)),
        ]
        return [(name, quantity) for name, quantity in rows if quantity is not None]

    @property
    def ends(self) -> Table | None:
        """What a ratio divides, predicted and found: a ratio that agrees may hide two that don't."""
        if not self.prediction.ends:
            return None
        both = [(name, end, self.result.ends[name]) for name, end in self.prediction.ends.items()]
        rows = [[name, end, found, found.ratio(end)] for name, end, found in both]
        return table(rows, ["", "predicted", self.found, "ratio"])

    def __str__(self) -> str:
        values = table(self.values, ["", self.experiment.title])
        heads = [self.experiment.question, f"[{KINDS[self.experiment.kind]}]", self.badge]
        parts = [
            "\n".join(filter(None, heads)),
            sum_text(self.prediction, self.doubts),
            f"{values}\nverdict: {WORDS[self.verdict]}",
            str(self.ends or ""),
        ]
        return "\n\n".join(filter(None, parts))

    def _repr_html_(self) -> str:
        experiment = self.experiment
        kind = KINDS[experiment.kind]
        said = f"{kind[0].upper()}{kind[1:]}" + (", simulated" if experiment.simulated else "")
        badge = f'<p class="lessons-badge">{html.escape(self.badge)}</p>' if self.badge else ""
        return (
            f'<section class="lessons-card" id="{self.anchor}" aria-label="Result: {html.escape(experiment.title)}" '
            f'{self._data()} style="{FRAME}">'
            f'<p class="lessons-kind"><small>{html.escape(said)}</small></p>'
            f'<p class="lessons-question"><strong>{html.escape(experiment.question)}</strong></p>{badge}'
            f"{sum_html(self.prediction, self.doubts)}{self._outcome()}{self._code()}</section>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": str(self)}

    def _data(self) -> str:
        """Return what the page's script needs, as attributes: numbers in base units, "nan" and "inf" where they are."""
        found = self.result.quantity
        data = {
            "experiment": self.experiment.id,
            "unit": found.unit,
            "predicted": float(self.prediction.quantity.value),
            "measured": float(found.value),
            "low": float(found.low),
            "high": float(found.high),
            "verdict": self.verdict,
            "found": self.found,
            **({"asks": ""} if self.asks else {}),
        }
        return " ".join(f'data-{key}="{html.escape(str(value))}"' for key, value in data.items())

    def _outcome(self) -> str:
        ends, ground = self.ends, GROUNDS.get(self.experiment.kind, "")
        drawn = ruler(self.anchor, self.experiment.kind, self.result.quantity.unit, self._marks(), self.asks)
        if drawn:
            drawn += f'<p class="lessons-ground"><small>{ground}</small></p>' if ground else ""
        return (
            f'<div class="lessons-outcome">{self._verdict()}{drawn}{self._tiles()}'
            f"{ends._repr_html_() if ends else ''}</div>"
        )

    def _marks(self) -> list[Mark]:
        kinds = {"your guess": "guess", "by the textbook": "textbook"}
        return [Mark(kinds.get(name, name), name, q.value, q.low, q.high) for name, q in self.values[:-1]]

    def _verdict(self) -> str:
        verdict = self.verdict
        look, sign = (
            ("good", "✓") if verdict in GOOD else ("unsure", "?") if verdict == UNSURE else ("missed", "≠")
        )
        return (
            f'<p class="lessons-verdict lessons-{look}"><span aria-hidden="true">{sign}</span> '
            f"<strong>{html.escape(WORDS[verdict])}</strong></p>"
        )

    def _tiles(self) -> str:
        tiles = [_tile(name, quantity) for name, quantity in self.values]
        if self.asks:  # the page's script fills it
            tiles.insert(0, '<div class="lessons-your-guess" hidden><dt>your guess</dt><dd></dd></div>')
        return f'<dl class="lessons-values">{"".join(tiles)}</dl>'

    def _code(self) -> str:
        source = measured_code(self.experiment)
        if not source:
            return ""
        word = "simulated" if self.experiment.simulated else "measured"
        return (
            f'<details class="lessons-code"><summary>The {word} code</summary>'
            f'<div class="lessons-source" tabindex="0">{highlighted(source)}</div></details>'
        )


def _tile(name: str, quantity: Quantity) -> str:
    value, _, interval = str(quantity).partition(" (")
    small = f" <small>({html.escape(interval)}</small>" if interval else ""
    return f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}{small}</dd></div>"
