"""What the build tools know of the project: its folders, its table of contents and its address."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
SITE = BUILD / "html"
PLACEHOLDER = "/ORG/"
LAST = ("intro", "report_card")  # they show what the others found


def metadata() -> dict[str, Any]:
    """Return the ``[project]`` table of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def address() -> str:
    """Return the repository's address, which pyproject.toml alone defines."""
    return metadata()["urls"]["Repository"]


def pages() -> list[str]:
    """Return every page of ``_toc.yml`` in reading order, as paths without suffix."""
    return list(_files(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))))


def numbers() -> dict[str, int]:
    """Return the number that each chapter has on the site, by its slug: ``numbered`` parts run on."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    chapters = [page for part in parts if part.get("numbered") for page in _files(part)]
    return {page.rpartition("/")[2]: count for count, page in enumerate(chapters, start=1)}


def _files(entry: Any) -> Iterator[str]:
    if isinstance(entry, list):
        for item in entry:
            yield from _files(item)
    elif isinstance(entry, dict):
        for key, value in entry.items():
            if key in ("root", "file"):
                yield value
            else:
                yield from _files(value)


def notebooks() -> list[Path]:
    """Return the notebooks of ``_toc.yml`` in reading order, with those that sum up at the end."""
    paths = [ROOT / f"{page}.ipynb" for page in pages()]
    return sorted((path for path in paths if path.exists()), key=lambda path: path.stem in LAST)
