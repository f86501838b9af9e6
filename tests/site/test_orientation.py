"""Numbers of chapters and exercises, what a term means where it is used, and where the numbers of a page were made."""

import re
from functools import cache

import pytest
from bs4 import BeautifulSoup
from plain import definitions, plain_notebook
from project import ROOT, notebooks, numbers, pages

BOOK = ROOT / "book"
CHAPTERS = numbers()
QUOTES = str.maketrans("“”‘’", "''''")  # the site sets them as a printer does


@pytest.fixture(scope="session")
def page(site):
    """Give a page of the site by its path without suffix, parsed."""

    @cache
    def read(name):
        return BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")

    return read


@pytest.mark.parametrize("name", pages())
def test_a_chapter_has_its_number_and_no_other_page_has_one(name, page):
    expected = CHAPTERS.get(name.rpartition("/")[2])
    number = page(name).select_one("article h1 .section-number")
    assert (number and number.text.strip()) == (f"{expected}." if expected else None)


def test_the_sidebar_numbers_the_chapters_in_reading_order(page):
    found = [link.text.strip() for link in page("book/machine").select("nav.bd-links li.toctree-l1 > a")]
    numbered = [int(text.partition(".")[0]) for text in found if text[0].isdigit()]
    assert numbered == [*range(1, len(CHAPTERS) + 1)] and len(found) > len(numbered)


@pytest.mark.parametrize("slug", CHAPTERS)
def test_exercises_are_numbered_within_their_chapter_as_in_the_plain_copies(slug, page):
    here = [
        tag.text.strip()
        for tag in page(f"book/{slug}").select(".exercise > .admonition-title .caption-number")
    ]
    copy = "\n".join(cell.source for cell in plain_notebook(BOOK / f"{slug}.ipynb").cells)
    there = re.findall(r"\*\*(Exercise [\d.]+\d)\.", copy)
    assert here == there == [f"Exercise {CHAPTERS[slug]}.{count}" for count in range(1, len(there) + 1)] != []


@pytest.mark.parametrize("slug", [path.stem for path in notebooks()])
def test_a_term_shows_what_the_glossary_says_first(slug, page):
    terms = {
        f"glossary.html#{tag['id']}": tag.contents[0].strip().translate(QUOTES)
        for tag in page("book/glossary").select("dt[id]")
    }
    says = definitions(BOOK)
    links = [word.find_parent("a") for word in page(f"book/{slug}").select("a .std-term")]
    shown = {link["href"]: link["title"].translate(QUOTES) for link in links}
    assert shown == {address: says[terms[address]] for address in shown}
    assert links or slug not in CHAPTERS


@pytest.mark.parametrize("name", pages())
def test_a_page_with_numbers_says_where_they_were_made(name, page):
    stamps = [tag.text for tag in page(name).select(".lessons-stamp")]
    if not (ROOT / f"{name}.ipynb").exists():
        assert stamps == []
        return
    (said,) = stamps
    assert all(word in said for word in ("logical CPUs", "Python", "NumPy", "Numba", "PyTorch"))
    assert re.search(r" \d{1,2} [A-Z]\w+ 20\d\d ", said) and str(ROOT) not in said


@pytest.mark.browser
def test_the_keyboard_shows_a_meaning_too(served, chromium):
    page = chromium.new_page()
    page.goto(f"{served}/book/kv_cache.html")
    link = page.locator("a:has(.std-term)").first
    shown = "link => getComputedStyle(link, '::after').content"
    assert link.evaluate(shown) == "none"
    page.keyboard.press("Tab")  # the keyboard is in use from here on
    link.focus()
    assert link.get_attribute("title") in link.evaluate(shown).replace('\\"', '"')
    page.close()
