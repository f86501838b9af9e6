"""Reads the prose of a page, and lists the numbers with units that no claim covers.

    python tests/claims/prose.py book/roofline.ipynb book/glossary.md

Prose is what a reader reads as text: paragraphs, lists, tables, titles, and the bodies of admonitions, exercises and
figures. Code, formulas, citations, link targets, comments and directive options are left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# Directives whose body is not prose.
OPAQUE = {
    "bibliography",
    "code",
    "code-block",
    "code-cell",
    "literalinclude",
    "math",
    "raw",
    "tableofcontents",
    "toctree",
}
# Directives whose first line is no prose: a file's name, a label, an exercise's level and minutes.
UNTITLED = {"figure", "image", "exercise", "solution"}
_STARTS_BLOCK = re.compile(r"\s*(?:[-*+]|\d+\.|#+|\||:)\s")
_OPTION = re.compile(r"\s*:[\w-]+:(?:\s|$)|\s*\([\w-]+\)=\s*$")
_FENCE = re.compile(r"^\s*(?P<fence>`{3,}|~{3,}|:{3,})(?:\{(?P<name>[\w:-]+)\})?(?P<rest>.*)$")


def markdown(path: Path) -> str:
    """Return the Markdown of a page: a notebook's Markdown cells, or a Markdown file as it is."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of the prose in ``text``; a table's row, a title and a list item are one or more each."""
    for paragraph in _paragraphs(text):
        yield from re.split(r"(?<=[.!?])\s+(?=[A-Z*_\"'(\[])", _inline(paragraph))


def _paragraphs(text: str) -> Iterator[str]:
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = text.replace(r"\$", "\ue000")  # a dollar that is money, kept from the search for formulas
    text = re.sub(r"\$\$.*?\$\$(?:\s*\([\w-]+\))?", " ", text, flags=re.S)
    paragraph: list[str] = []
    open_fences: list[str] = []  # of directives whose body is prose
    opaque = ""  # the fence of the block that is being skipped
    for line in [*text.splitlines(), ""]:
        fence = _FENCE.match(line)
        bare = fence is not None and not fence["name"] and not fence["rest"].strip()
        if opaque:
            if fence and bare and fence["fence"].startswith(opaque):
                opaque = ""
            continue
        if paragraph and (not line.strip() or fence or _STARTS_BLOCK.match(line)):
            yield " ".join(paragraph)
            paragraph = []
        if fence is None:
            if line.strip() and not _OPTION.match(line):
                paragraph.append(line.strip())
        elif bare and open_fences and fence["fence"].startswith(open_fences[-1]):
            open_fences.pop()
        elif fence["name"] is None or fence["name"] in OPAQUE:
            opaque = fence["fence"]
        else:
            open_fences.append(fence["fence"])
            if fence["rest"].strip() and fence["name"] not in UNTITLED:
                yield fence["rest"].strip()  # the title of an admonition


def _inline(text: str) -> str:
    text = re.sub(r"\{(?:cite|eq|numref|ref|doc|download)[\w:]*\}`[^`]*`", " ", text)
    text = re.sub(r"\{[\w:-]+\}`([^`<]*?)(?:\s*<[^>]*>)?`", r"\1", text)
    text = re.sub(r"(`+).*?\1", " ", text)
    # A number alone between dollars is still a number in prose: $3.35$ TB/s, $10^9$ bytes.
    text = re.sub(r"\$\s*((?:10|2)\^)\{?(-?\d+)\}?\s*\$", r"\1\2", text)
    text = re.sub(r"\$\s*([\d.,]+)\s*\$", r"\1", text)
    text = re.sub(r"\$[^$]*\$", " ", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"<https?:[^>]*>|https?://\S+|</?\w[^>]*>", " ", text)
    text = re.sub(r"[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}", "", text)
    return re.sub(r"\s+", " ", text.replace("\ue000", "$")).strip()


def main(paths: list[str]) -> int:
    """Print the uncovered numbers of ``paths``; the exit status says whether there are any."""
    import checker

    claims, problems = checker.load()
    problems += checker.check(checker.read_pages(map(Path, paths)), claims, all_pages=False)
    print("\n".join(problems) or "every number with a unit is covered by a claim")
    return bool(problems)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
