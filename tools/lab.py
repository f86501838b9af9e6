"""Open the chapters in JupyterLab, as copies that are the reader's to change: ``make lab``.

The copies lie in ``notebooks/`` and hold plain Markdown (see plain.py). One that the reader has changed is never
written over; whoever wants to change the book itself opens ``book/``.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import nbformat
from plain import plain_glossary, plain_notebook
from project import ROOT, notebooks

from lessons.files import write_atomic

COPIES = ROOT / "notebooks"
MARK = "bytes_per_token"  # in a copy's metadata: the digest of what was written into it


def main() -> int:
    for message in refresh(COPIES):
        print(message, flush=True)
    command = [sys.executable, "-m", "jupyterlab", *sys.argv[1:], str(COPIES)]
    if os.name == "nt":  # there a process cannot become another one
        return subprocess.run(command).returncode
    os.execv(sys.executable, command)  # so that whatever ends this ends JupyterLab, and its kernels with it


def refresh(folder: Path) -> list[str]:
    """Bring the copies in ``folder`` up to date; return a line for each that is left as the reader made it."""
    fresh = {path.name: plain_notebook(path) for path in notebooks()}
    fresh["glossary.ipynb"] = plain_glossary(ROOT / "book")
    messages = []
    for name, notebook in fresh.items():
        copy, now = folder / name, digest(notebook)
        written, held = read(copy) if copy.exists() else ("", "")
        if copy.exists() and written == now:
            continue  # the chapter is what it was; the reader's changes and results stay
        if copy.exists() and written != held:
            messages.append(f"{copy} was changed by you and stays; rename it to get the chapter's new text")
            continue
        notebook.metadata[MARK] = now
        write_atomic(copy, nbformat.writes(notebook) + "\n")
    return messages


def read(copy: Path) -> tuple[str, str]:
    """Return the digest of what was written into a copy, and that of what it holds; results do not count."""
    try:
        notebook = nbformat.read(copy, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError):
        return "", "unreadable"
    return notebook.metadata.get(MARK, ""), digest(notebook)


def digest(notebook: nbformat.NotebookNode) -> str:
    """Return a digest of the cells' texts."""
    texts = [f"{cell.cell_type}\n{cell.source}" for cell in notebook.cells]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
