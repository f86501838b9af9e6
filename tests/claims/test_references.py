"""The bibliography holds what is cited, and nothing else."""

import re
from pathlib import Path

import checker

ROOT = Path(__file__).parents[2]
# A key is an author's name or names, a year and a word: williams2009roofline.
KEY = re.compile(r"\b[a-z]{2,}(?:19|20)\d\d[a-z][a-z0-9]*\b")
ALWAYS = {"ncclteststool"}  # a tool without a year


def cited():
    """Return every key in the book, the package's docstrings and tables, with a place that cites it."""
    places = {}
    for folder, pattern in (("book", "*.ipynb"), ("book", "*.md"), ("book", "claims.toml")):
        _collect(places, (ROOT / folder).glob(pattern))
    for pattern in ("*.py", "*.toml"):
        _collect(places, (ROOT / "src" / "lessons").rglob(pattern))
    return places


def _collect(places, paths):
    for path in paths:
        text = path.read_text("utf-8")
        for key in KEY.findall(text) + [k for k in ALWAYS if k in text]:
            places[key] = path.relative_to(ROOT)


def test_each_key_cited_is_in_the_bibliography():
    missing = {key: str(place) for key, place in cited().items() if key not in checker.bibliography()}
    assert not missing


def test_each_entry_of_the_bibliography_is_cited():
    unused = checker.bibliography() - set(cited())
    assert not unused, "delete these entries, or cite them"


def test_each_entry_says_who_what_and_when():
    text = (ROOT / "book" / "references.bib").read_text("utf-8")
    entries = re.findall(r"^@\w+\{([^,\s]+),(.*?)^\}", text, re.M | re.S)
    assert len(entries) == len(checker.bibliography()) == text.count("\n@") + text.startswith("@")
    for key, body in entries:
        for field in ("author", "title", "year"):
            assert re.search(rf"^\s*{field}\s*=\s*\{{.+\}}", body, re.M), f"{key} has no {field}"
