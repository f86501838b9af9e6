"""Which notebooks have to be run again, and what the pages are made from.

What a notebook showed is kept with a key. Where the key is still the same, the notebook is not run again: its code, the
package without the other chapters, the pinned versions, the machine and its passport are what they were. Prose is not
part of the key. So an edit of one chapter runs one chapter, and an edit of the core runs them all.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from keep_outputs import KEY
from project import BUILD, LAST, ROOT

from lessons.notebook import in_short
from lessons.places import passport_path
from lessons.results import Ledger

KEPT = BUILD / "kept"  # the notebooks as nbval left them
IN_SHORT = "in-short"  # the id of the cell that tells, before anything is measured, what was found
CHAPTERS = ROOT / "src" / "lessons" / "experiments"


def key(notebook: Path, ledger: Path) -> str:
    """Return what changes when ``notebook`` would show something else.

    Args:
        notebook: the source.
        ledger: the folder or file with the entries that the pages read that are run last.
    """
    slug = notebook.stem
    code = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    files, titles = [*_package(slug), ROOT / "constraints.txt", passport_path()], []
    if slug in LAST:
        files += [*_files(ledger), ROOT / "_toc.yml", ROOT / "pyproject.toml"]
        titles = [_title(path) for path in sorted(notebook.parent.glob("*.ipynb"))]
    return _digest([json.dumps([code, titles]), platform.python_version(), *_contents(files)])


def _title(notebook: Path) -> str:
    """Return a notebook's first cell: its title and its question."""
    return nbformat.read(notebook, as_version=4).cells[0].source


def _package(slug: str) -> list[Path]:
    """Return the package's files, without the chapters other than ``slug``; a page that sums up has all of them."""
    inside = [path for path in _files(ROOT / "src" / "lessons") if "__pycache__" not in path.parts]
    if slug in LAST:
        return inside
    chapters = {path.parent.name for path in CHAPTERS.glob("*/__init__.py")}
    others = chapters - {slug}
    return [path for path in inside if not (path.parent.parent == CHAPTERS and path.parent.name in others)]


def _files(place: Path) -> list[Path]:
    """Return the files below a folder, or the one; what somebody is just writing, or hides, is none."""
    if not place.is_dir():
        return [place]
    names = sorted(path.relative_to(place) for path in place.rglob("*"))
    shown = (name for name in names if not any(part.startswith(".") for part in name.parts))
    return [place / name for name in shown if (place / name).is_file()]


def _contents(files: Iterable[Path]) -> list[str]:
    return [f"{path.name}\n{_digest([path.read_bytes()])}" for path in files if path.exists()]


def _digest(parts: Iterable[str | bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def kept(notebook: Path) -> dict[str, Any]:
    """Return what was noted when a notebook was run: see keep_outputs.py; nothing where no outputs are kept."""
    try:
        return dict(nbformat.read(KEPT / notebook.name, as_version=4).metadata)
    except (OSError, ValueError, nbformat.ValidationError):
        return {}


def is_kept(notebook: Path, key: str) -> bool:
    """Tell whether the outputs that are kept are those that ``key`` stands for."""
    return kept(notebook).get(KEY) == key


def page(notebook: Path, ledger: Path) -> nbformat.NotebookNode:
    """Return the source as it is now, with the outputs that its code cells had when they were run.

    The cell that tells in short what the chapter finds was run before anything was measured: it is told again.

    Args:
        notebook: the source.
        ledger: the folder with the entries of this build.
    """
    now, before = nbformat.read(notebook, as_version=4), nbformat.read(KEPT / notebook.name, as_version=4)
    now.metadata["stamp"] = before.metadata.get("stamp", [])  # where its numbers were made
    shown = iter([cell for cell in before.cells if cell.cell_type == "code"])
    for cell in now.cells:
        if cell.cell_type == "code":
            ran = next(shown)
            cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
            if cell.id == IN_SHORT:
                cell.outputs = [_told(in_short(notebook.stem, Ledger(ledger)).data, cell.execution_count)]
    return now


def _told(text: str, count: int | None) -> nbformat.NotebookNode:
    """Return Markdown as the value that a cell shows."""
    data = {"text/markdown": text, "text/plain": text}
    return nbformat.v4.new_output("execute_result", data, execution_count=count)


def site_key(sources: Iterable[Path]) -> str:
    """Return what changes when the site would be another one: its sources and the outputs."""
    files = [file for source in sources for file in _files(source) if "__pycache__" not in file.parts]
    return _digest(_contents([*files, *_files(KEPT)]))
