"""The report card as a page shows it: by chapter, each row linked to its result card, each miss with its reason."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from lessons.errors import LessonError
from lessons.experiments.text import FOLDER, fill, sections
from lessons.notebook.contents import link, on_site
from lessons.notebook.report_card import grouped
from lessons.notebook.scores import BOUNDS, EMPTY, MISSED, error, mine, outcome, verdict, words
from lessons.results import Entry
from lessons.units import Quantity, format_value

KIND = {
    "count": "count",
    "estimate": "estimate",
    "ratio": "ratio",
    **{side: f"bound, {side}" for side in BOUNDS},
}
COLUMNS = ("predicted", "measured", "measured / predicted", "outcome", "your guess")
CSV, SCRIPT = "../_static/report_card.csv", "../_static/report_card.js"
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z*])")
LONG = 260  # characters of a reason, at which no second sentence is begun


def results(entries: list[Entry] | None = None) -> Any:
    """Return all entries as an HTML table that a script may sort and filter, and that is whole without it.

    Args:
        entries: those of this machine when left out.
    """
    from IPython.display import HTML

    entries = mine() if entries is None else entries
    if not entries:
        return HTML(f"<p>{EMPTY}</p>")
    heads = "".join(f'<th scope="col"{_guess(name)}>{name}</th>' for name in ("experiment", *COLUMNS))
    bodies = "".join(
        f'<tbody><tr class="lessons-chapter"><th colspan="{len(COLUMNS) + 1}" scope="rowgroup">'
        f'<a href="{link(group[0].slug)}">{escape(title)}</a></th></tr>{"".join(map(_row, group))}</tbody>'
        for title, group in grouped(entries).items()
    )
    controls = '<p class="lessons-report-controls" hidden></p>'  # the script's
    end = f'<script src="{SCRIPT}" defer></script>' if on_site() else ""
    return HTML(
        f'<div class="lessons-report">{controls}<table><thead><tr>{heads}</tr></thead>{bodies}</table></div>{end}'
    )


def download() -> Any:
    """Return where the results are as CSV: a file of the site, or a function of the package."""
    from IPython.display import HTML

    here = f'<a href="{CSV}" download>All results as CSV</a>, in base units.'
    there = "<code>lessons.notebook.report_card.csv()</code> returns all results as CSV, in base units."
    return HTML(f"<p>{here if on_site() else there}</p>")


def reason(entry: Entry) -> str:
    """Return as plain text why a prediction missed, in the words of its chapter; nothing where it has none.

    That is the passage ``reason <finding>`` of one of the findings; else the first sentences of the chapter's own
    passage of the verdict, or of the first finding beside it.
    """
    if outcome(entry) != MISSED:
        return ""
    slug, _, name = entry.id.partition(".")
    try:
        own = sections(FOLDER / slug / "text.md").get(name, {})
    except LessonError:
        return ""
    judged = verdict(entry)
    wanted = [*(f"reason {finding}" for finding in entry.findings), judged, *entry.findings]
    try:
        told = next((fill(own[heading], entry.facts) for heading in wanted if heading in own), "")
    except LessonError:  # the entry is of an older text
        return ""
    first, *others = SENTENCE.split(_plain(told.partition("\n\n")[0]))
    return f"{first} {others[0]}" if others and len(first) + len(others[0]) < LONG else first


def _row(entry: Entry) -> str:
    cells = [
        _predicted(entry),
        escape(str(entry.measured)) + _simulated(entry),
        escape(str(entry.ratio)),
        f"<b>{words(entry)}</b>",
        _guessed(entry),
    ]
    anchor = link(entry.slug, f"result-{entry.id.replace('.', '-')}")
    parts = [
        f'<a href="{anchor}">{escape(entry.title)}</a> <small>{KIND.get(entry.kind, entry.kind)}</small>'
    ]
    parts += [f'<p class="lessons-end">{escape(end)}</p>' for end in _ends(entry)]
    if why := reason(entry):
        parts.append(f'<p class="lessons-reason">{escape(why)}</p>')
    columns = "".join(
        f'<td data-label="{name}"{_guess(name)}>{cell}</td>' for name, cell in zip(COLUMNS, cells)
    )
    about = f'data-miss="{error(entry):.4g}" data-outcome="{outcome(entry)}"'
    return f'<tr class="lessons-result-row" {about}><th scope="row">{"".join(parts)}</th>{columns}</tr>'


def _ends(entry: Entry) -> list[str]:
    """Return a line for each of the two values that a ratio divides: a good ratio may hide two bad ones."""
    word = entry.facts.get("found", "measured")
    return [
        f"{name}: predicted {format_value(told.value, told.unit)}, {word} "
        f"{format_value(found.value, found.unit)}; {word} / predicted {found.ratio(told)}"
        for name, (told, found) in entry.ends.items()
    ]


def _predicted(entry: Entry) -> str:
    if entry.textbook is None:
        return escape(str(entry.predicted))
    textbook = format_value(entry.textbook.value, entry.textbook.unit)
    return f"{escape(str(entry.predicted))} <small>textbook: {escape(textbook)}</small>"


def _simulated(entry: Entry) -> str:
    return " <small>simulated</small>" if entry.facts.get("found") == "simulated" else ""


def _guessed(entry: Entry) -> str:
    """Return the place for a reader's guess: that of this notebook, else what the browser has kept."""
    unit = entry.measured.unit
    text = "" if entry.guess is None else str(Quantity(entry.guess, unit))
    about = f'data-guess-for="{escape(entry.id)}" data-unit="{escape(unit)}"'
    return f'<span {about} data-measured="{entry.measured.value!r}">{escape(text)}</span>'


def _guess(column: str) -> str:
    return ' class="lessons-guess"' if column == "your guess" else ""


def _plain(markdown: str) -> str:
    """Return Markdown as text: citations go, links and emphasis keep their words."""
    text = re.sub(r"\s*\{cite\}`[^`]*`", "", markdown)
    text = re.sub(r"\{\w+\}`([^`<]+?)(?:\s*<[^`]*>)?`", r"\1", text)
    text = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"\*+|`", "", text).split())
