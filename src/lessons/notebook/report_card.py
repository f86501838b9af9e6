"""The last page: every prediction of the book against its measurement."""

from __future__ import annotations

import csv as files
import io
import math
from typing import TYPE_CHECKING, Any

from lessons.measure.verdict import BAND, within
from lessons.notebook.contents import Chapter, chapters
from lessons.notebook.scores import BOUNDS, mine, outcome, verdict, words
from lessons.notebook.tables import Table, table
from lessons.results import Entry
from lessons.units import format_value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADINGS = ["experiment", "title", "kind", "verdict", "outcome", "unit"]
HEADINGS += [f"{what}{end}" for what in ("predicted", "measured", "ratio") for end in ("", "_low", "_high")]
HEADINGS += ["textbook", "guess", "machine"]
# A chapter's title begins where the names of its experiments do: on a phone it would not fit beside them.
HEADING: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"),
    "xytext": (-90, 0),
    "textcoords": "offset points",
}
HEADING |= {"weight": "bold", "va": "center", "annotation_clip": False, "zorder": 7}
# The row of a title is blank, so that it crosses neither axis nor grid.
ROW: dict[str, Any] = {"xmin": -0.02, "lw": 0, "zorder": 5, "clip_on": False}
# A bound may lie far from 1 and hold: on the side that its triangle points to.
MARKS: tuple[tuple[tuple[str, ...], dict[str, Any], str], ...] = (
    (("count", "estimate", "ratio"), {"marker": "o"}, "over the prediction"),
    (("at most",), {"marker": "<", "ms": 7}, "over an upper bound"),
    (("at least",), {"marker": ">", "ms": 7}, "over a lower bound"),
)


def card(entries: list[Entry] | None = None) -> Table:
    """Return the table of all entries, each with its verdict, and with the textbook's values and guesses if any.

    Args:
        entries: those of this machine when left out, here and in the functions below.
    """
    entries = mine() if entries is None else entries
    columns = ["experiment", "what", "predicted", "measured", "measured / predicted", "verdict"]
    rows: list[list[Any]] = [[e.id, e.title, e.predicted, e.measured, e.ratio, words(e)] for e in entries]
    if any(e.textbook is not None for e in entries):
        columns.insert(2, "by the textbook")
        for row, e in zip(rows, entries):
            row.insert(2, None if e.textbook is None else format_value(e.textbook.value, e.textbook.unit))
    if any(e.guess is not None for e in entries):
        columns.append("your guess")
        for row, e in zip(rows, entries):
            row.append(None if e.guess is None else format_value(e.guess, e.measured.unit))
    return table(rows, columns)


def csv(entries: list[Entry] | None = None) -> str:
    """Return the entries as CSV with a heading, numbers in base units and whole; an empty field where there is none."""
    entries = mine() if entries is None else entries
    text = io.StringIO()
    writer = files.writer(text, lineterminator="\n")
    writer.writerow(HEADINGS)
    for e in entries:
        numbers = [n for q in (e.predicted, e.measured, e.ratio) for n in (q.value, q.low, q.high)]
        textbook = None if e.textbook is None else e.textbook.value
        about = [e.id, e.title, e.kind, verdict(e), outcome(e), e.measured.unit]
        writer.writerow([*about, *numbers, textbook, e.guess, e.machine])
    return text.getvalue()


def grouped(entries: list[Entry]) -> dict[str, list[Entry]]:
    """Return the entries by their chapters' titles, in reading order; pages that are no chapters come last."""
    known: dict[str, Chapter] = {chapter.slug: chapter for chapter in chapters()}
    slugs = [*known, *dict.fromkeys(e.slug for e in entries if e.slug not in known)]
    titles = {slug: known[slug].title if slug in known else slug for slug in slugs}
    groups = {titles[slug]: [e for e in entries if e.slug == slug] for slug in slugs}
    return {title: group for title, group in groups.items() if group}


def ratios(entries: list[Entry] | None = None) -> Any:
    """Return a figure of all ratios by chapter on a logarithmic axis; a cross is the textbook's, a triangle a bound's.

    The textbook's closed form stands beside a prediction that adds to it, and is not counted.

    A ratio that such an axis does not have (nothing was predicted, or a sign differs) is in the table only.
    """
    from lessons import figures

    entries = mine() if entries is None else entries
    drawn = [e for e in entries if 0 < e.ratio.value < math.inf]
    if not drawn:
        return card(entries)
    inside = sum(within(e.ratio.value) for e in drawn)
    bounds = sum(e.kind in BOUNDS for e in drawn)
    alt = f"Measured over predicted by chapter, experiments: {len(drawn)}. "
    alt += f"Of these, between {1 / BAND:g} and {BAND:g}: {inside}."
    alt += f" Bounds, drawn as triangles: {bounds}." if bounds else ""
    if textbook := [e for e in drawn if e.textbook is not None and e.textbook.value > 0]:
        alt += f" With a cross for the textbook beside the prediction: {len(textbook)}."
    if without := len(entries) - len(drawn):
        alt += f" Without a ratio to draw: {without}."
    return figures.render(draw(drawn), alt, "report_card.ratios")


def draw(entries: list[Entry]) -> Figure:
    """Return the figure of ``ratios``, for entries that all have a place on its axis."""
    from lessons import figures
    from lessons.figures.style import BACKGROUND

    figure, (ax,) = figures.new()
    rows = [row for title, group in grouped(entries).items() for row in (title, *group)]
    figure.set_figheight(1.2 + 0.27 * len(rows))
    with figures.style():
        places = {e.id: -i for i, e in enumerate(rows) if isinstance(e, Entry)}
        values = [e.ratio.value for e in entries]
        textbook = [
            (e.measured.value / e.textbook.value, places[e.id])
            for e in entries
            if e.textbook is not None and e.textbook.value > 0
        ]
        shown = [*values, *(value for value, _ in textbook)]
        left, right = min(0.4, *shown) / 1.3, max(2.5, *shown) * 1.3
        for kinds, mark, label in MARKS:
            if found := [e for e in entries if e.kind in kinds]:
                at = [e.ratio.value for e in found]
                ends = (  # as far as the axis goes: an interval may have no end
                    [v - min(v, max(left, e.ratio.low)) for v, e in zip(at, found)],
                    [max(v, min(right, e.ratio.high)) - v for v, e in zip(at, found)],
                )
                looks = {"color": figures.COLOURS["blue"], "capsize": 2.5, "label": label, **mark}
                ax.errorbar(at, [places[e.id] for e in found], xerr=ends, ls="none", **looks)
        if textbook:
            cross = {"marker": "x", "ls": "none", "color": figures.COLOURS["green"]}
            ax.plot(*zip(*textbook), label="over the textbook", **cross)
        figures.key(figure)
        ax.axvline(1, color=figures.COLOURS["vermilion"], ls="--")
        ax.axvspan(1 / BAND, BAND, color=figures.COLOURS["vermilion"], alpha=0.12, lw=0)
        ax.set_xscale("log")
        ax.set_xlim(left, right)
        ticks = [t for t in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100) if left <= t <= right]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
        ax.set_ylim(-len(rows) + 0.4, 0.5)
        ax.set_yticks(list(places.values()), [_name(e) for e in rows if isinstance(e, Entry)])
        for place, title in enumerate(rows):
            if isinstance(title, str):
                ax.axhspan(-place - 0.5, -place + 0.5, color=BACKGROUND, **ROW)
                ax.annotate(title, (0, -place), **HEADING)
        ax.grid(False, axis="y")
        ax.set_xlabel("measured / predicted")
    return figure


def _name(entry: Entry) -> str:
    return entry.id.partition(".")[2].replace("_", " ")
