"""The last page: every prediction of the book against its measurement."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from lessons import topology
from lessons.measure.verdict import BAND, GOOD, WORDS, foreseen, within
from lessons.notebook.tables import Table, table
from lessons.results import Entry, Ledger
from lessons.units import format_value

KINDS = {
    "counts": ("count",),
    "bounds": ("at most", "at least"),
    "estimates": ("estimate",),
    "ratios": ("ratio",),
}


def mine(ledger: Ledger | None = None) -> list[Entry]:
    """Return the ledger's entries of this machine: a project's folder may have come here from another."""
    return (ledger or Ledger()).entries(topology.read().fingerprint())


def card(entries: list[Entry] | None = None) -> Table:
    """Return the table of all entries, each with its verdict, and with the textbook's values and guesses if any.

    Args:
        entries: those of this machine when left out, here and in the functions below.
    """
    entries = mine() if entries is None else entries
    columns = ["experiment", "what", "predicted", "measured", "measured / predicted", "verdict"]
    rows: list[list[Any]] = [
        [e.id, e.title, e.predicted, e.measured, e.ratio, WORDS[verdict(e)]] for e in entries
    ]
    if any(e.textbook is not None for e in entries):
        columns.insert(2, "by the textbook")
        for row, e in zip(rows, entries):
            row.insert(2, None if e.textbook is None else format_value(e.textbook.value, e.textbook.unit))
    if any(e.guess is not None for e in entries):
        columns.append("your guess")
        for row, e in zip(rows, entries):
            row.append(None if e.guess is None else format_value(e.guess, e.measured.unit))
    return table(rows, columns)


def ratios(entries: list[Entry] | None = None) -> Any:
    """Return a figure of all ratios, 1 in the middle, on a logarithmic axis; hollow where the textbook's value is.

    The textbook's closed form stands beside a prediction that adds to it, and is not counted.

    A ratio that such an axis does not have (nothing was predicted, or a sign differs) is in the table only.
    """
    from lessons import figures

    entries = mine() if entries is None else entries
    without = len(entries)
    entries = [e for e in entries if _on_the_axis(e)]
    without -= len(entries)
    if not entries:
        return card(entries)
    figure, (ax,) = figures.new()
    figure.set_figheight(1.2 + 0.3 * len(entries))
    with figures.style():
        places = list(range(len(entries)))[::-1]
        values = [e.ratio.value for e in entries]
        textbook = [
            (e.measured.value / e.textbook.value, place)
            for e, place in zip(entries, places)
            if e.textbook is not None and e.textbook.value > 0
        ]
        all_values = [*values, *(value for value, _ in textbook)]
        left, right = min(0.4, *all_values) / 1.3, max(2.5, *all_values) * 1.3
        ends = (  # as far as the axis goes: an interval may have no end
            [v - min(v, max(left, e.ratio.low)) for v, e in zip(values, entries)],
            [max(v, min(right, e.ratio.high)) - v for v, e in zip(values, entries)],
        )
        looks = {"fmt": "o", "color": figures.COLOURS["blue"], "capsize": 2.5, "label": "over the prediction"}
        ax.errorbar(values, places, xerr=ends, **looks)
        if textbook:
            hollow = {"marker": "o", "ls": "none", "mfc": "none", "color": figures.COLOURS["green"]}
            ax.plot(*zip(*textbook), label="over the textbook", **hollow)
            ax.legend()
        ax.axvline(1, color=figures.COLOURS["vermilion"], ls="--")
        ax.axvspan(1 / BAND, BAND, color=figures.COLOURS["vermilion"], alpha=0.12, lw=0)
        ax.set_xscale("log")
        ax.set_xlim(left, right)
        ticks = [t for t in (0.1, 0.25, 0.5, 1, 2, 4, 10) if left <= t <= right]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
        ax.set_yticks(places, [e.id for e in entries])
        ax.set_xlabel("measured / predicted")
    inside = sum(within(value) for value in values)
    words = f"Measured over predicted, experiments: {len(entries)}. Of these, "
    words += f"between {1 / BAND:g} and {BAND:g}: {inside}."
    if textbook:
        words += f" With a hollow mark for the textbook beside the prediction: {len(textbook)}."
    words += f" Without a ratio to draw: {without}." if without else ""
    return figures.render(figure, words, "report_card.ratios")


def summary(entries: list[Entry] | None = None) -> str:
    """Return Markdown that says how well the predictions of each kind did and which missed most."""
    entries = mine() if entries is None else entries
    if not entries:
        return "The ledger is empty: run the chapters first, then this page."
    good = [e for e in entries if verdict(e) in GOOD]
    lines = [
        f"Of **{len(entries)}** predictions, **{len(good)}** came out as foreseen. By what they claim:",
        "",
    ]
    for name, kinds in KINDS.items():
        if of_kind := [e for e in entries if e.kind in kinds]:
            found = Counter(WORDS[verdict(e)] for e in of_kind)
            counts = ", ".join(f"{count} {words}" for words, count in found.most_common())
            lines.append(f"- {name}, {len(of_kind)}: {counts}")
    if comparable := [e for e in entries if _on_the_axis(e)]:
        worst = max(comparable, key=lambda e: abs(math.log(e.ratio.value)))
        lines += [
            "",
            f"The widest miss is `{worst.id}`: {worst.title} was predicted as {worst.predicted} and measured as "
            f"{worst.measured}.",
        ]
    return "\n".join(lines)


def verdict(entry: Entry) -> str:
    """Return how an entry came out; by its ratio alone where nobody judged it when it was written."""
    return entry.verdict if entry.verdict in WORDS else foreseen(entry.ratio)


def _on_the_axis(entry: Entry) -> bool:
    """Tell whether a logarithmic axis has a place for this entry's ratio."""
    return 0 < entry.ratio.value < math.inf
