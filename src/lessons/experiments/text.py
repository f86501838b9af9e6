"""A chapter's sentences stand in its ``text.md``: a section for each experiment, a passage for each finding.

    ## waste

    ### title
    share of the reserved cache that holds no token

    ### text
    Of the memory that was reserved, {idle} held nothing.

    ### pages-win
    Pages of 16 tokens leave {paged} empty.

    ### alt
    Empty shares: {idle} reserved, {paged} paged.

``title``, ``question``, ``cited`` (what a page shows where nothing was recorded), ``text`` (said in any case) and
``alt`` (the figure's alternative text) are every experiment's; each other heading is one of its findings, and
``alt <finding>`` is what the alternative text adds where that was found, and ``reason <finding>`` what the report card
says of a miss in place of the finding's own passage. A name in braces is one of the facts. The section ``in short`` is
the chapter's answer (``lessons.notebook.in_short``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from lessons.errors import LessonError

FOLDER = Path(__file__).parent
EVERY = ("title", "question", "cited", "text", "alt")
# A fact's name in braces; `{cite}` before a backtick is a MyST role.
NAME = re.compile(r"\{([a-z]\w*)\}(?!`)")


def passages(id: str, folder: Path = FOLDER) -> Mapping[str, str]:
    """Return the passages of an experiment by their headings, in the order of the text.

    Verdicts that many chapters share ("can't tell") are taken from ``text.md`` beside this file, where the chapter
    has no passage of its own.

    Args:
        id: "<slug>.<name>".
        folder: where the chapters' packages are.

    Raises:
        LessonError: when the chapter has no text, or no section of this name.
    """
    slug, _, name = id.partition(".")
    path = folder / slug / "text.md"
    if name not in sections(path):
        raise LessonError(f"{slug}/text.md has no section for {id}; write one under the heading `## {name}`")
    return {**sections(folder / "text.md")["every chapter"], **sections(path)[name]}


@cache
def sections(path: Path) -> dict[str, dict[str, str]]:
    """Return the passages of a text by their two headings.

    Raises:
        LessonError: when the file cannot be read, or says a heading twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LessonError(
            f"the text {path} cannot be read ({error.strerror}); install the package again"
        ) from None
    found: dict[str, dict[str, str]] = {}
    for name, section in _parts(re.sub(r"<!--.*?-->", "", text, flags=re.S), "## ", path):
        found[name] = {heading: passage.strip() for heading, passage in _parts(section, "### ", path)}
    return found


def fill(passage: str, facts: Mapping[str, object]) -> str:
    """Put facts into a passage.

    Raises:
        LessonError: when the passage names something that is no fact.
    """

    def fact(match: re.Match[str]) -> str:
        if match[1] not in facts:
            raise LessonError(f"{match[0]} is no fact; there are {', '.join(sorted(facts))}. In: {passage}")
        return str(facts[match[1]])

    return NAME.sub(fact, passage)


def rows(table: list[list[object]]) -> str:
    """Return a table as Markdown, for a fact on lines of its own; the first row holds the headings."""
    lines = [" | ".join(str(cell) for cell in row) for row in table]
    rule = " | ".join(["---"] + ["--:"] * (len(table[0]) - 1))
    return "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])


def _parts(text: str, mark: str, path: Path) -> list[tuple[str, str]]:
    parts = re.split(rf"^{mark}(.+)\n", text, flags=re.M)[1:]
    headings = [heading.strip() for heading in parts[::2]]
    if twice := [heading for heading in headings if headings.count(heading) > 1]:
        raise LessonError(f"{path} has the heading {mark}{twice[0]} twice; keep one")
    return list(zip(headings, parts[1::2]))


def diagram_text(slug: str) -> dict[str, str]:
    """Return the passages of a chapter's diagram, the section ``diagram`` of its text; ``alt`` is on one line."""
    passages = sections(FOLDER / slug / "text.md")["diagram"]
    return {**passages, "alt": " ".join(passages["alt"].split())}
