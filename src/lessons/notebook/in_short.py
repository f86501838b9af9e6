"""A chapter's answer in a few sentences, with the numbers of this machine's last run of it."""

from __future__ import annotations

from typing import Any

from lessons import topology
from lessons.errors import LessonError
from lessons.experiments.text import FOLDER, fill, sections
from lessons.results import Entry, Ledger

SECTION, GPU = "in short", "gpu"  # in the chapter's text.md: its section, and what carries over to a GPU
NOT_YET = "This page has not been run on this machine yet. Run it to its end, and its answer stands here."


def in_short(slug: str, ledger: Ledger | None = None) -> Any:
    """Return the box at the top of a chapter as Markdown.

    A notebook shows it before it has measured anything, so these are the numbers of its last run. What is told stands
    in the chapter's ``text.md`` under ``## in short``: ``### <name>`` where the ledger has that experiment,
    ``### <name> <finding>`` where that was found, and ``### gpu`` in any case.

    Args:
        slug: the chapter's.
        ledger: the reader's own when left out.

    Raises:
        LessonError: when the chapter has no such section.
    """
    from IPython.display import Markdown

    said = sections(FOLDER / slug / "text.md").get(SECTION)
    if said is None:
        raise LessonError(f"{slug}/text.md has no answer; write it under the heading `## {SECTION}`")
    told = _told(slug, said, ledger or Ledger())
    parts = ["**In short**", *(told or [NOT_YET]), said[GPU]]
    # Blank lines around the tags: what stands between them is Markdown, on the site and in JupyterLab.
    return Markdown("\n\n".join(['<div class="lessons-in-short">', *parts, "</div>"]))


def _told(slug: str, said: dict[str, str], ledger: Ledger) -> list[str]:
    """Return the passages that this machine's entries allow, filled, in the order of the text."""
    machine = topology.read().fingerprint()
    told = []
    for heading, passage in said.items():
        name, _, finding = heading.partition(" ")
        if heading == GPU or (entry := _entry(ledger, f"{slug}.{name}", machine)) is None:
            continue
        if not finding or finding in entry.findings:
            try:
                told.append(fill(passage, entry.facts))
            except LessonError:  # the entry is of an older text: this run replaces it
                continue
    return told


def _entry(ledger: Ledger, id: str, machine: str) -> Entry | None:
    """Return an entry; None for one that cannot be read too, which the run that has just begun replaces."""
    try:
        return ledger.entry(id, machine)
    except LessonError:
        return None
