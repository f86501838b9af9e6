"""The exercises and solutions of a chapter's page, by their labels."""

from __future__ import annotations

import re

import nbformat
from project import ROOT

BLOCK = re.compile(r"^```\{(exercise|solution)\}[ \t]*([^\n]*)\n(.*?)^```", re.M | re.S)
PROGRAM = re.compile(r"^~~~python\n(.*?)^~~~$", re.M | re.S)
LABEL = re.compile(r"^:label:\s*(\S+)$", re.M)


def exercises(slug: str) -> dict[str, tuple[str, str]]:
    """Return title and text of a chapter's exercises by their labels, in the order of the page."""
    return {LABEL.search(body)[1]: (head, body) for kind, head, body in _blocks(slug) if kind == "exercise"}


def solution(slug: str, label: str) -> str:
    """Return the text of the solution to an exercise, on one line."""
    return " ".join(_solution(slug, label).split())


def program(slug: str, label: str) -> str:
    """Return the Python program in the solution to an exercise."""
    (code,) = PROGRAM.findall(_solution(slug, label))
    return code


def _solution(slug: str, label: str) -> str:
    (body,) = [body for kind, head, body in _blocks(slug) if kind == "solution" and head == label]
    return body


def _blocks(slug: str) -> list[tuple[str, str, str]]:
    cells = nbformat.read(ROOT / "book" / f"{slug}.ipynb", as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return [(kind, head.strip(), body) for kind, head, body in BLOCK.findall(text)]
