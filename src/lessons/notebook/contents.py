"""The book's own table of contents, its chapters' titles and questions, and where a page is found."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOC, CARD = "_toc.yml", "report_card"
QUESTION = re.compile(r"^\*([^*\n]+\?)\*$", re.M)


@dataclass(frozen=True)
class Chapter:
    """A page to read: a notebook of the table of contents that does not only sum up the others.

    Attributes:
        slug: its file's name.
        title: its topic, the first heading.
        question: what it answers, the line in italics below the title; empty where there is none.
        part: the heading that it stands under in the table of contents.
    """

    slug: str
    title: str
    question: str
    part: str


def home() -> Path | None:
    """Return the folder of the book, this one or one above; None where only a notebook was opened."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / TOC).is_file()), None)


def chapters() -> list[Chapter]:
    """Return the chapters in reading order; none where only a notebook was opened."""
    root = home()
    if root is None:
        return []
    import yaml  # comes with Jupyter

    contents = yaml.safe_load((root / TOC).read_text(encoding="utf-8"))
    found = []
    for part, file in _files(contents):
        if Path(file).name != CARD and (root / f"{file}.ipynb").exists():
            found.append(_chapter(root / f"{file}.ipynb", part))
    return found


def link(slug: str, anchor: str = "") -> str:
    """Return the address of a page beside this one: on the site, while the site is built; else of the notebook."""
    suffix = "html" if on_site() else "ipynb"
    return f"{slug}.{suffix}" + (f"#{anchor}" if anchor else "")


def on_site() -> bool:
    """Tell whether this runs for the website: tools/build_book.py sets LESSONS_SITE."""
    return bool(os.environ.get("LESSONS_SITE"))


def address() -> str:
    """Return the repository's address; empty where there is none yet, or only a notebook was opened."""
    root = home()
    if root is None or not (root / "pyproject.toml").exists():
        return ""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository: str = project["urls"]["Repository"]
    return "" if "/ORG/" in repository else repository


def _files(contents: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for part in contents.get("parts") or [contents]:
        for entry in part.get("chapters") or []:
            if "file" in entry:
                yield part.get("caption", ""), entry["file"]


def _chapter(path: Path, part: str) -> Chapter:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first = "".join(cells[0]["source"])
    asked = QUESTION.search(first)
    return Chapter(path.stem, first.partition("\n")[0].lstrip("# "), asked[1] if asked else "", part)
