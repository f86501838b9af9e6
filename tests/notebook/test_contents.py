"""Chapters, titles and questions come from the table of contents and the notebooks, wherever one is opened."""

import json

import pytest
import yaml

from lessons.notebook import contents
from lessons.notebook.contents import Chapter

TOC = {
    "root": "book/intro",
    "parts": [
        {"caption": "Start", "chapters": [{"file": "book/machine"}]},
        {"caption": "One", "numbered": 1, "chapters": [{"file": "book/b"}, {"file": "book/a"}]},
        {
            "caption": "End",
            "chapters": [
                {"file": "book/report_card"},
                {"file": "book/api", "sections": [{"file": "book/api/x"}]},
            ],
        },
    ],
}
FIRST = {
    "machine": ["# The machine\n", "\n", "No question here.\n"],
    "a": ["# Topic A\n", "\n", "*Why?*\n", "\n", "**Time** *long*."],
    "b": ["# Topic *B*\n", "\n", "*Not asked.*\n", "\n", "*What\n", "of it?*"],
    "report_card": ["# Report card\n", "\n", "*How good?*"],
}


@pytest.fixture
def book(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(TOC))
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "api.md").write_text("# API")
    for slug, source in FIRST.items():
        cells = [{"cell_type": "markdown", "source": source}]
        (tmp_path / "book" / f"{slug}.ipynb").write_text(json.dumps({"cells": cells}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_chapters_in_reading_order_with_title_question_and_part(book):
    assert contents.chapters() == [
        Chapter("machine", "The machine", "", "Start"),
        Chapter("b", "Topic *B*", "", "One"),
        Chapter("a", "Topic A", "Why?", "One"),
    ]


@pytest.mark.parametrize("place", ["book", "notebooks", "."])
def test_they_are_found_from_the_book_and_from_a_readers_copies(book, monkeypatch, place):
    (book / place).mkdir(exist_ok=True)
    monkeypatch.chdir(book / place)
    assert [chapter.slug for chapter in contents.chapters()] == ["machine", "b", "a"]


def test_a_notebook_alone_has_no_chapters_and_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert contents.chapters() == [] and contents.address() == ""


def test_a_table_of_contents_without_parts(book):
    (book / "_toc.yml").write_text(
        yaml.safe_dump({"root": "book/intro", "chapters": [{"file": "book/a"}, {"url": "x"}]})
    )
    assert [(chapter.slug, chapter.part) for chapter in contents.chapters()] == [("a", "")]


@pytest.mark.parametrize(
    ("named", "found"), [("https://h/ORG/book", ""), ("https://h/we/book", "https://h/we/book")]
)
def test_the_address_is_that_of_the_project_unless_it_is_a_placeholder(book, named, found):
    (book / "pyproject.toml").write_text(f'[project]\nname = "x"\n[project.urls]\nRepository = "{named}"\n')
    assert contents.address() == found


def test_a_link_is_to_a_page_on_the_site_and_to_a_notebook_elsewhere(monkeypatch):
    monkeypatch.delenv("LESSONS_SITE", raising=False)
    assert contents.link("a") == "a.ipynb" and contents.link("a", "x") == "a.ipynb#x"
    monkeypatch.setenv("LESSONS_SITE", "1")
    assert contents.link("a") == "a.html" and contents.link("a", "x") == "a.html#x"


def test_this_book_has_its_chapters_each_with_a_question(monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(Path(__file__).parent)
    found = contents.chapters()
    assert len(found) >= 8 and all(c.title and c.question.endswith("?") and c.part for c in found)
