"""The last page: every prediction of the book against its measurement."""

from __future__ import annotations

from typing import Any

from lessons import topology
from lessons.notebook.tables import Table, table
from lessons.results import Entry, Ledger
from lessons.units import format_value


def mine(ledger: Ledger | None = None) -> list[Entry]:
    """Return the ledger's entries of this machine: a project's folder may have come here from another."""
    return (ledger or Ledger()).entries(topology.read().fingerprint())


def card(entries: list[Entry] | None = None) -> Table:
    """Return the table of all entries: predicted, measured, the ratio, and the reader's guesses if any.

    Args:
        entries: those of this machine when left out, here and in the functions below.
    """
    entries = mine() if entries is None else entries
    columns = ["experiment", "what", "predicted", "measured", "measured / predicted"]
    rows: list[list[Any]] = [[e.id, e.title, e.predicted, e.measured, e.ratio] for e in entries]
    if any(e.guess is not None for e in entries):
        columns.append("your guess")
        for row, e in zip(rows, entries):
            row.append(None if e.guess is None else format_value(e.guess, e.measured.unit))
    return table(rows, columns)


def ratios(entries: list[Entry] | None = None) -> Any:
    """Return a figure of all ratios, 1 in the middle, on a logarithmic axis."""
    from lessons import figures

    entries = mine() if entries is None else entries
    if not entries:
        return card(entries)
    figure, (ax,) = figures.new()
    figure.set_figheight(1.2 + 0.3 * len(entries))
    with figures.style():
        places = list(range(len(entries)))[::-1]
        values = [e.ratio.value for e in entries]
        ends = (
            [max(0.0, v - e.ratio.low) for v, e in zip(values, entries)],
            [max(0.0, e.ratio.high - v) for v, e in zip(values, entries)],
        )
        ax.errorbar(values, places, xerr=ends, fmt="o", color=figures.COLOURS["blue"], capsize=2.5)
        ax.axvline(1, color=figures.COLOURS["vermilion"], ls="--")
        ax.axvspan(0.8, 1.25, color=figures.COLOURS["vermilion"], alpha=0.12, lw=0)
        ax.set_xscale("log")
        low, high = min(0.4, *values), max(2.5, *values)
        ax.set_xlim(low / 1.3, high * 1.3)
        ticks = [t for t in (0.1, 0.25, 0.5, 1, 2, 4, 10) if low / 1.3 <= t <= high * 1.3]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
        ax.set_yticks(places, [e.id for e in entries])
        ax.set_xlabel("measured / predicted")
    inside = sum(0.8 <= v <= 1.25 for v in values)
    return figures.render(
        figure,
        f"Measured over predicted for {len(entries)} experiments. {inside} of them lie between 0.8 and 1.25.",
    )


def summary(entries: list[Entry] | None = None) -> str:
    """Return one paragraph of Markdown that says how well the predictions did and which missed most."""
    entries = mine() if entries is None else entries
    if not entries:
        return "The ledger is empty: run the chapters first, then this page."
    inside = [e for e in entries if 0.8 <= e.ratio.value <= 1.25]
    worst = max(entries, key=lambda e: max(e.ratio.value, 1 / e.ratio.value) if e.ratio.value > 0 else 0)
    return (
        f"Of **{len(entries)}** predictions, **{len(inside)}** came within a quarter of what was measured. "
        f"The widest miss is `{worst.id}`: {worst.title} was predicted as {worst.predicted} and measured as "
        f"{worst.measured}."
    )
