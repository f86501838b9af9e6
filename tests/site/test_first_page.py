"""The first page and the report card in a browser: what stands high up, what a script sorts, what a phone shows."""

import csv
from urllib.parse import urljoin

import pytest
from project import ROOT

from lessons.notebook import contents

DESKTOP, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 800}
HIGH_UP = 1500  # pixels
# What a reader of the first page has to find there before anything else, and where it ends.
PARTS = ".lessons-promise b, a.lessons-button, .lessons-chapter-card, .lessons-ways ol, .lessons-coming"
ENDS = """selector => [...document.querySelectorAll(selector)].map(
    element => element.getBoundingClientRect().bottom + scrollY)"""
ROWS = """() => [...document.querySelectorAll(".lessons-result-row")].filter(row => row.offsetParent !== null).map(
    row => ({ miss: Number(row.dataset.miss.replace("inf", "Infinity")), outcome: row.dataset.outcome,
              top: row.getBoundingClientRect().top }))"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chapters():
    """The chapters, as the table of contents and the notebooks have them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return contents.chapters()


@pytest.fixture
def page(chromium, served):
    """A function that opens a page of the site."""
    contexts = []

    def opened(name, viewport=DESKTOP, **options):
        contexts.append(chromium.new_context(viewport=viewport, **options))
        found = contexts[-1].new_page()
        found.goto(f"{served}/book/{name}.html")
        return found

    yield opened
    for context in contexts:
        context.close()


def test_a_result_all_chapters_and_the_commands_stand_high_up_and_no_code_before_them(page, chapters):
    first = page("intro")
    assert max(first.evaluate(ENDS, PARTS)) < HIGH_UP
    cards = first.locator(".lessons-chapter-card")
    assert [card.locator("a").inner_text() for card in cards.all()] == [c.title for c in chapters]
    assert [card.locator("p").inner_text() for card in cards.all()] == [c.question for c in chapters]
    assert all(card.locator("svg path").count() for card in cards.all())
    commands = first.locator("pre", has_text="make book")
    assert "make test" in commands.inner_text()
    (bottom,) = commands.evaluate_all("all => all.map(one => one.getBoundingClientRect().bottom + scrollY)")
    code = [end for end in first.evaluate(ENDS, ".cell_input") if end]
    assert bottom < HIGH_UP and all(end > HIGH_UP for end in code)


def test_every_link_of_the_first_page_leads_to_a_page(page, served, chapters):
    first = page("intro")
    links = first.locator(".lessons-cover a, .lessons-cards a").evaluate_all(
        "all => all.map(a => a.getAttribute('href'))"
    )
    assert {f"{chapter.slug}.html" for chapter in chapters} <= set(links)
    for link in links:
        target = urljoin(first.url, link)
        assert first.request.get(target.partition("#")[0]).ok, link


def test_a_picture_takes_the_colours_of_the_theme(page):
    first = page("intro")
    colour = """theme => { Object.assign(document.documentElement.dataset, { theme, mode: theme });
        return getComputedStyle(document.querySelector(".lessons-thumbnail path[style*='--lessons-blue']")).stroke }"""
    assert first.evaluate(colour, "light") != first.evaluate(colour, "dark")


def shown(card):
    """Return the rows that are to be seen, from the top."""
    return sorted(card.evaluate(ROWS), key=lambda row: row["top"])


def test_the_rows_are_sorted_by_size_of_miss_and_back(page):
    card = page("report_card")
    before = shown(card)
    card.get_by_label("Order").select_option("miss")
    misses = [row["miss"] for row in shown(card)]
    assert misses == sorted(misses, reverse=True) and len(misses) == len(before)
    assert not card.locator("tr.lessons-chapter").first.is_visible()
    card.get_by_label("Order").select_option("chapter")
    assert shown(card) == before


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_rows_that_cannot_be_told_are_shown_alone_in_either_order(page, viewport):
    card = page("report_card", viewport)
    wanted = sorted(row["miss"] for row in shown(card) if row["outcome"] == "can't tell")
    for order in ("chapter", "miss"):
        card.get_by_label("Order").select_option(order)
        card.get_by_label("Show").select_option("can't tell")
        assert sorted(row["miss"] for row in shown(card)) == wanted


def test_without_javascript_all_rows_are_shown_and_no_control(page):
    with_script, without = page("report_card"), page("report_card", java_script_enabled=False)
    rows = without.locator(".lessons-result-row")
    assert rows.count() == len(shown(with_script)) and all(row.is_visible() for row in rows.all())
    assert not without.locator(".lessons-report-controls").is_visible()


def test_on_a_phone_a_row_is_a_card_that_says_what_its_numbers_are(page):
    card = page("report_card", PHONE)
    label = "cell => getComputedStyle(cell, '::before').content"
    cells = card.locator(".lessons-result-row").first.locator("td:visible").all()
    assert all(cell.get_attribute("data-label") in cell.evaluate(label) for cell in cells)
    tops = [cell.bounding_box()["y"] for cell in cells]
    assert tops == sorted(set(tops))  # one below the other
    assert card.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]


def test_the_column_for_guesses_is_there_for_those_who_have_guessed(page):
    card = page("report_card")
    cell = card.locator("td.lessons-guess").first
    assert not cell.is_visible()
    card.evaluate("document.querySelector('[data-guess-for]').textContent = '4'")
    assert cell.is_visible() and card.locator("th.lessons-guess").is_visible()


def test_the_csv_has_a_line_for_each_row(page):
    card = page("report_card")
    answer = card.request.get(
        urljoin(card.url, card.locator("a[download]", has_text="CSV").last.get_attribute("href"))
    )
    assert answer.ok and len(list(csv.DictReader(answer.text().splitlines()))) == len(shown(card))
