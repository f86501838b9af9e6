"""The promise is true for whatever the ledger holds, and every chapter has its card."""

import dataclasses
import json
import re

import pytest
from bs4 import BeautifulSoup

from lessons import topology
from lessons.notebook import first_page, scores
from lessons.notebook.contents import Chapter
from lessons.results import Entry, Ledger
from lessons.units import Quantity


def entry(name, measured, **others):
    values = (Quantity(1.0, "s"), Quantity(measured, "s", measured, measured, 5))
    return Entry(f"slug.{name}", f"the {name}", *values, **others)


HELD, MISSED, FAR = entry("held", 1.1), entry("missed", 2.0), entry("far", 0.1)
OPEN = entry("open", 1.0, verdict="cant-tell")


def told(*entries):
    """Return the numbers of a promise by the word that follows them, and the result that it links to."""
    page = BeautifulSoup(first_page.promise(list(entries)), "html.parser")
    said = page.get_text()
    numbers = {
        word: int(found[1])
        for word in ("predictions", "held", "missed")
        if (found := re.search(rf"(\d+) {word}", said))
    }
    if found := re.search(r"for (\d+) the machine", said):
        numbers["open"] = int(found[1])
    return numbers, page.a and page.a["href"]


@pytest.mark.parametrize(
    ("entries", "numbers", "worst"),
    [
        ([HELD], {"predictions": 1, "held": 1}, None),
        ([HELD, OPEN, OPEN], {"predictions": 3, "held": 1, "open": 2}, None),
        ([MISSED], {"predictions": 1, "held": 0, "missed": 1}, "missed"),
        ([HELD, MISSED, FAR, OPEN], {"predictions": 4, "held": 1, "missed": 2, "open": 1}, "far"),
    ],
)
def test_the_promise_says_what_came_out(entries, numbers, worst):
    found, link = told(*entries)
    assert found == numbers
    assert link == (worst and f"slug.ipynb#result-slug-{worst}")


def test_the_promise_names_both_values_of_the_widest_miss_and_is_no_markup():
    text = first_page.promise([dataclasses.replace(FAR, title="<b id='x'>&")])
    page = BeautifulSoup(text, "html.parser")
    assert "1.00 s" in text and "100 ms" in text and page.find(id="x") is None


@pytest.mark.parametrize("left", [None, {"version": 3}, HELD])
def test_without_results_of_this_machine_nothing_is_claimed(tmp_path, monkeypatch, left):
    """No ledger, one of an older version, one of another machine."""
    monkeypatch.setenv("LESSONS_LEDGER", str(tmp_path))
    if isinstance(left, Entry):
        Ledger().write(dataclasses.replace(left, machine="another"))
    elif left:
        (tmp_path / "slug.x.json").write_text(json.dumps(left))
    text = first_page.promise()
    assert text == first_page.promise([]) and not re.search(r"\d", text)


def test_the_promise_is_of_this_machines_ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("LESSONS_LEDGER", str(tmp_path))
    Ledger().write(dataclasses.replace(MISSED, machine=topology.read().fingerprint()))
    assert first_page.promise() == first_page.promise([MISSED]) != first_page.promise([])


CHAPTERS = [Chapter("a", "Topic A & more", "Why <so>?", "Part"), Chapter("pytorch", "Topic P", "", "Part")]


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setattr(first_page, "chapters", lambda: CHAPTERS)
    monkeypatch.setattr(first_page, "home", lambda: tmp_path)
    return tmp_path


def soup(shown):
    return BeautifulSoup(shown.data, "html.parser")


def test_each_chapter_has_a_card_with_link_title_and_question(book):
    cards = soup(first_page.cards()).select(".lessons-chapter-card")
    found = [(card.a["href"], card.a.text, card.p.text) for card in cards]
    assert found == [("a.ipynb", "Topic A & more", "Why <so>?"), ("pytorch.ipynb", "Topic P", "")]
    assert not any(card.svg for card in cards)


def test_a_card_has_the_picture_of_a_chapter_that_was_run(book):
    (book / "_build" / "kept").mkdir(parents=True)
    svg = '<svg class="lessons-wide" viewBox="0 0 9 9" xmlns="http://www.w3.org/2000/svg"></svg>'
    cell = {"source": "study(x)", "outputs": [{"data": {"text/html": f"<figure>{svg}</figure>"}}]}
    (book / "_build" / "kept" / "a.ipynb").write_text(json.dumps({"cells": [cell]}))
    assert [bool(card.svg) for card in soup(first_page.cards()).select(".lessons-chapter-card")] == [
        True,
        False,
    ]


def test_a_chapter_that_is_written_is_not_to_come(book):
    items = [li.text for li in soup(first_page.coming()).find_all("li")]
    assert items == [title for slug, title in first_page.COMING.items() if slug != "pytorch"]


def test_the_commands_clone_only_where_there_is_an_address(monkeypatch):
    monkeypatch.setattr(first_page, "address", lambda: "")
    assert "git clone" not in first_page.get_the_code().data
    monkeypatch.setattr(first_page, "address", lambda: "https://h/we/book")
    lines = first_page.get_the_code().data.splitlines()
    start = lines.index("git clone https://h/we/book && cd book")
    assert [line.split("#")[0].split() for line in lines[start + 1 : start + 3]] == [
        ["make", "book"],
        ["make", "test"],
    ]


def test_the_buttons_lead_to_the_start_the_code_and_the_report_card(book, monkeypatch):
    monkeypatch.setenv("LESSONS_SITE", "1")
    links = [a["href"] for a in soup(first_page.cover()).select("a.lessons-button")]
    assert links == ["machine.html", f"#{first_page.GET}", "report_card.html"]
    monkeypatch.delenv("LESSONS_SITE")
    links = [a["href"] for a in soup(first_page.cover()).select("a.lessons-button")]
    assert links == ["machine.ipynb", "report_card.ipynb"]


def test_a_notebook_alone_shows_a_sentence_in_place_of_cards(monkeypatch):
    monkeypatch.setattr(first_page, "chapters", lambda: [])
    assert soup(first_page.cards()).p.text and scores.HELD not in soup(first_page.cards()).text
