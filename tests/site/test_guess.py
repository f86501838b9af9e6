"""The guess on the web: on a small page made of two cards, and on the built site."""

import io
import re
import sys

import pytest
from bs4 import BeautifulSoup
from PIL import Image
from project import ROOT

sys.path.insert(0, str(ROOT / "tests" / "notebook"))
from cards import card

from lessons.units import format_value

pytestmark = pytest.mark.browser
ASSETS = ROOT / "book" / "assets"
ID = "kv_cache.made_up"
HEAD = f"""<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>A page</title>
<link rel="stylesheet" href="{(ASSETS / "book.css").as_uri()}">
<link rel="stylesheet" href="{(ASSETS / "card.css").as_uri()}">
<script src="{(ASSETS / "guess.js").as_uri()}"></script></head><body>"""
CELL = """<div class="cell_output"><div class="output text_html">{card}</div>
<div class="output text_html"><figure id="fig-{n}">A figure.</figure></div><p>What was found.</p></div>"""
REPORT = f"""<table><tr><th>what</th><th data-guess-heading hidden>your guess</th></tr>
<tr><td>a time</td><td hidden data-guess-for="{ID}" data-unit="s" data-measured="0.004"></td></tr></table>
<p hidden data-guess-for="kv_cache.another" data-unit="s"></p>"""


def pages(folder, *cards):
    """Write a chapter of asking cards, and a report card; return the chapter's address."""
    cells = [CELL.format(card=shown._repr_html_(), n=n) for n, shown in enumerate(cards)]
    (folder / "chapter.html").write_text(HEAD + "".join(cells), encoding="utf-8")
    (folder / "report.html").write_text(HEAD + REPORT, encoding="utf-8")
    return (folder / "chapter.html").as_uri()


@pytest.fixture
def chapter(tmp_path):
    """A page of two asking cards of the same sizes: 3 ms predicted, 4 ms measured."""
    other = card(asks=True)
    other.experiment.id = "kv_cache.another"
    return pages(tmp_path, card(asks=True), other)


@pytest.fixture
def browser(chromium):
    """A fresh context, which has guessed nothing yet."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    yield context
    context.close()


def opened(browser, address):
    page = browser.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"script error: {error}"))
    page.goto(address)
    return page


def parts(page, id=ID):
    """Return a card, and what is visible of it and after it."""
    section = page.locator(f'[data-experiment="{id}"]')
    shown = {name for name in ("sum", "outcome", "ask") if section.locator(f".lessons-{name}").is_visible()}
    cell = page.locator(".cell_output").filter(has=section)
    if cell.locator(".output").last.is_visible() and cell.locator("> p").last.is_visible():
        shown.add("after")
    return section, shown


def lock_in(section, number, unit=None):
    section.get_by_label("Your guess", exact=True).fill(number)
    if unit:
        section.get_by_label("unit").select_option(label=unit)
    section.get_by_role("button", name="Lock in").click()


def test_a_guess_then_the_sum_then_the_side_then_the_measurement(chapter, browser):
    page = opened(browser, chapter)
    section, shown = parts(page)
    assert shown == {"ask"}
    lock_in(section, "12", "ms")
    assert parts(page)[1] == {"sum"}
    assert "You guessed 12.0 ms. The prediction is 3.00 ms" in section.inner_text()
    assert section.get_by_role("button", name="Above").evaluate("e => e === document.activeElement")
    section.get_by_role("button", name="Above").click()
    assert parts(page)[1] == {"sum", "outcome", "after"}
    said = section.locator(".lessons-said").inner_text()
    assert "3.0 times too high" in said and "above the prediction: so it came out" in said
    assert parts(page, "kv_cache.another")[1] == {"ask"}

    page.reload()
    section, shown = parts(page)
    assert shown == {"sum", "outcome", "after"} and section.locator(".lessons-said").inner_text() == said
    assert section.locator(".lessons-your-guess dd").inner_text() == "12.0 ms"

    report = opened(browser, chapter.replace("chapter", "report"))
    assert report.locator(f'[data-guess-for="{ID}"]').inner_text() == "12.0 ms"
    assert report.locator("[data-guess-heading]").is_visible()
    assert not report.locator('[data-guess-for="kv_cache.another"]').is_visible()

    section.get_by_role("button", name="Guess again").click()
    assert parts(page)[1] == {"ask"}
    page.reload()
    assert parts(page)[1] == {"ask"}


@pytest.mark.parametrize(
    ("measured", "side", "said"),
    [
        (4e-3, "Below", "below the prediction: it came out above"),
        (3.74e-3, "Within a quarter", "so it came out"),
        (3.76e-3, "Above", "so it came out"),
        (2.41e-3, "Within a quarter", "so it came out"),
        (2.39e-3, "Below", "so it came out"),
        (2e-3, "Within a quarter", "it came out below"),
        (3e-3, "Within a quarter", "within a quarter of the prediction: so it came out"),
    ],
)
def test_the_side_is_judged_by_the_band(measured, side, said, browser, tmp_path):
    page = opened(browser, pages(tmp_path, card(measured=measured, asks=True)))
    section, _ = parts(page)
    lock_in(section, "3", "ms")
    section.get_by_role("button", name=side).click()
    assert said in section.locator(".lessons-said").inner_text()


@pytest.mark.parametrize("side", ["Above", "Within a quarter", "Below"])
@pytest.mark.parametrize("kind", ["estimate", "at most", "at least"])
def test_where_the_verdict_cannot_tell_the_answer_is_not_judged(side, kind, browser, tmp_path):
    wide = card(measured=3.1e-3, low=2e-3, high=4.5e-3, kind=kind, asks=True)
    assert wide.verdict == "cant-tell"
    section, _ = parts(opened(browser, pages(tmp_path, wide)))
    lock_in(section, "3", "ms")
    section.get_by_role("button", name=side).click()
    said = section.locator(".lessons-said").inner_text()
    assert "can't tell" in said and "came out" not in said


def test_a_bound_that_the_interval_reaches_was_reached(browser, tmp_path):
    near = card(measured=3.9e-3, low=2.9e-3, high=4.5e-3, kind="at most", asks=True)
    assert near.verdict == "as-foreseen"
    section, _ = parts(opened(browser, pages(tmp_path, near)))
    lock_in(section, "3", "ms")
    section.get_by_role("button", name="Within a quarter").click()
    assert "so it came out" in section.locator(".lessons-said").inner_text()


def test_the_page_asks_by_the_keyboard_alone(chapter, browser):
    page = opened(browser, chapter)
    section, _ = parts(page)
    section.get_by_label("Your guess", exact=True).focus()
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert parts(page)[1] == {"sum", "outcome", "after"}
    assert "You said within a quarter" in section.locator(".lessons-said").inner_text()


def test_the_slider_and_the_number_follow_each_other_over_three_decades(chapter, browser):
    page = opened(browser, chapter)
    section, _ = parts(page)
    slider, number = section.locator("input[type=range]"), section.get_by_label("Your guess", exact=True)
    ends = []
    for at in ("0", "1000"):
        slider.fill(at)
        ends.append(float(number.input_value()) * float(section.get_by_label("unit").input_value()))
    assert ends[0] < 3e-3 / 4 and ends[1] > 3e-3 * 4 and ends[1] / ends[0] == pytest.approx(1e3)
    number.fill("0.000001")
    assert slider.input_value() == "0"


def test_the_prediction_stands_in_another_place_of_the_slider_for_each_experiment(browser, tmp_path):
    shown = [card(asks=True) for _ in range(12)]
    for n, one in enumerate(shown):
        one.experiment.id = f"kv_cache.number_{n}"
    page = opened(browser, pages(tmp_path, *shown))
    low = []
    for one in shown:
        section, _ = parts(page, one.experiment.id)
        section.locator("input[type=range]").fill("0")
        number, unit = section.get_by_label("Your guess", exact=True), section.get_by_label("unit")
        low.append(float(number.input_value()) * float(unit.input_value()))
    assert len(set(low)) >= 3 and all(
        f"{value:.6e}"[:8] in ("1.000000", "2.000000", "5.000000") for value in low
    )


@pytest.mark.parametrize("by", ["slider", "number"])
def test_the_slider_is_empty_until_there_is_a_guess(chapter, browser, by):
    section, _ = parts(opened(browser, chapter))
    slider, number = section.locator("input[type=range]"), section.get_by_label("Your guess", exact=True)
    untouched = slider.get_attribute("aria-valuetext")
    assert number.input_value() == "" and slider.get_attribute("data-touched") is None
    (slider if by == "slider" else number).fill("700")
    assert number.input_value() and slider.get_attribute("data-touched") == ""
    assert slider.get_attribute("aria-valuetext") != untouched


TABLE = """<div class="lessons-table" tabindex="0">
<table><caption>{caption}</caption><tr><td>{words}</td></tr></table></div>"""


@pytest.mark.parametrize("wide", [True, False])
def test_a_table_shows_that_it_scrolls_and_its_caption_stays_in_its_box(browser, tmp_path, wide):
    """The edge of a cut table is darker than its ground, and no edge of a whole one."""
    words = "eight words that no phone has room for".replace(" ", "\u00a0") if wide else "a word"
    caption = "A caption that takes more than one line on a phone, and is cut nowhere."
    html = HEAD + TABLE.format(words=words, caption=caption)
    (tmp_path / "table.html").write_text(html, encoding="utf-8")
    page = opened(browser, (tmp_path / "table.html").as_uri())
    page.set_viewport_size({"width": 280, "height": 400})
    box, inner = (page.locator(f".lessons-table{part}").bounding_box() for part in ("", " caption"))
    assert wide == page.locator(".lessons-table").evaluate("e => e.scrollWidth > e.clientWidth")
    assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 1

    def dark(side):
        x = box["x"] + (1 if side == "left" else box["width"] - 2)
        clip = {"x": x, "y": box["y"] + box["height"] - 3, "width": 1, "height": 1}
        image = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("L")
        return image.getpixel((0, 0)) < 235

    assert (dark("left"), dark("right")) == (False, wide)
    page.locator(".lessons-table").evaluate("e => (e.scrollLeft = e.scrollWidth)")
    assert (dark("left"), dark("right")) == (wide, False)


@pytest.mark.parametrize("text", ["", "0", "-4"])
def test_what_is_no_guess_is_not_locked_in(chapter, browser, text):
    page = opened(browser, chapter)
    section, _ = parts(page)
    lock_in(section, text)
    assert parts(page)[1] == {"ask"} and "a number above zero" in section.inner_text().lower()


@pytest.mark.parametrize(("guess", "inside"), [("3.5", True), ("9000000", False)])
def test_the_guess_stands_on_the_ruler_or_at_its_end(chapter, browser, guess, inside):
    page = opened(browser, chapter)
    section, _ = parts(page)
    lock_in(section, guess, "ms")
    section.get_by_role("button", name="Above").click()
    drawing = section.locator("svg.lessons-wide")
    at = lambda kind: float(  # noqa: E731
        re.search(r"[\d.]+", drawing.locator(f".lessons-mark-{kind}").get_attribute("transform"))[0]
    )
    label = drawing.locator(".lessons-mark-guess text")
    assert label.is_visible() and ("→" in label.text_content()) != inside
    assert at("predicted") < at("guess") and (at("guess") < at("measured")) == inside and at("guess") <= 626
    box, around = label.bounding_box(), drawing.bounding_box()
    assert around["x"] <= box["x"] and box["x"] + box["width"] <= around["x"] + around["width"]


def test_show_without_guessing_may_be_kept_for_all(chapter, browser):
    page = opened(browser, chapter)
    section, _ = parts(page)
    section.get_by_role("button", name="Show without guessing").click()
    assert parts(page)[1] == {"sum", "outcome", "after"} and parts(page, "kv_cache.another")[1] == {"ask"}
    assert not section.locator("svg.lessons-wide .lessons-mark-guess").is_visible()
    page.reload()
    assert parts(page)[1] == {"ask"}
    section.get_by_role("button", name="Show without guessing").click()
    section.get_by_label("Always show").check()
    assert parts(page, "kv_cache.another")[1] == {"sum", "outcome", "after"}
    page.reload()
    assert [parts(page, id)[1] for id in (ID, "kv_cache.another")] == [{"sum", "outcome", "after"}] * 2
    section.get_by_label("Always show").uncheck()
    page.reload()
    assert parts(page)[1] == {"ask"}


@pytest.mark.parametrize("target", ["fig-1", "result-kv_cache-another"])
def test_a_link_to_what_is_veiled_shows_it(chapter, browser, target):
    page = opened(browser, f"{chapter}#{target}")
    assert parts(page)[1] == {"ask"} and parts(page, "kv_cache.another")[1] == {"sum", "outcome", "after"}


def test_the_answer_in_short_is_folded_while_the_page_asks(chapter, browser, tmp_path):
    path = tmp_path / "chapter.html"
    box = '<div class="lessons-in-short"><p><strong>In short</strong></p><p>It took 4 ms.</p></div>'
    path.write_text(path.read_text(encoding="utf-8").replace("<body>", f"<body>{box}"), encoding="utf-8")
    page = opened(browser, chapter)
    answer = page.get_by_text("It took 4 ms.")
    assert not answer.is_visible() and page.get_by_text("In short").count() == 1
    page.locator(".lessons-in-short summary").click()
    assert answer.is_visible()
    page.evaluate("localStorage.setItem('lessons.always-show', 'true')")
    page.reload()
    assert page.get_by_text("It took 4 ms.").is_visible()


def test_paper_shows_all(chapter, browser):
    page = opened(browser, chapter)
    page.emulate_media(media="print")
    assert parts(page)[1] == {"sum", "outcome", "after"}


def test_without_scripts_all_is_there(chapter, chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(chapter)
    assert parts(page)[1] == {"sum", "outcome", "after"}
    context.close()


def test_where_storage_is_forbidden_the_page_asks_all_the_same(chapter, browser):
    browser.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('forbidden') } })"
    )
    page = opened(browser, chapter)
    section, _ = parts(page)
    lock_in(section, "4", "ms")
    section.get_by_role("button", name="Above").click()
    assert parts(page)[1] == {"sum", "outcome", "after"}


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (1.5e-6, "s"),
        (0.9996e-3, "s"),
        (12.5, "1"),
        (0.123, "%"),
        (4567.0, "tokens/s"),
        (3.35e12, "B/s"),
        (65536.0, "B"),
    ],
)
def test_the_page_writes_numbers_as_the_book_does(browser, tmp_path, value, unit):
    page = opened(browser, pages(tmp_path, card(predicted=value, measured=value, asks=True, unit=unit)))
    section, _ = parts(page)
    lock_in(section, "1")
    assert f"The prediction is {format_value(value, unit)}:" in section.inner_text()


# Of each visible element with text of its own, in pixels of the screen.
SIZES = """() => [...document.querySelectorAll(".lessons-card *")]
  .filter((e) => e.getClientRects().length)
  .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .map((e) => parseFloat(getComputedStyle(e).fontSize) * (e.ownerSVGElement?.getScreenCTM().a ?? 1))"""


@pytest.mark.parametrize(("width", "least"), [(1400, 12.0), (390, 11.0)])
@pytest.mark.parametrize("kind", ["count", "at most", "at least", "estimate", "ratio"])
def test_a_card_reads_at_both_widths(browser, tmp_path, width, least, kind):
    shown = [card(kind=kind, textbook=1e-3, low=3.9e-3, high=4.3e-3, asks=asks) for asks in (False, True)]
    page = opened(browser, pages(tmp_path, *shown))
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth")
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    sizes = page.evaluate(SIZES)
    assert len(sizes) > 20 and min(sizes) >= least
    boxes = page.locator(".lessons-card .lessons-table").evaluate_all(
        "all => all.map((e) => e.scrollWidth - e.clientWidth)"
    )
    assert [wider for wider in boxes if wider > 0] == []


def test_the_built_site_asks(site, served, browser):
    """The first asking card of the first chapter that has one."""
    for path in sorted((site / "book").glob("*.html")):
        section = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one(
            ".lessons-card[data-asks]"
        )
        if section:
            break
    else:
        pytest.fail("no page of the site asks for a guess")
    id = section["data-experiment"]
    page = opened(browser, f"{served}/book/{path.name}")
    section, shown = parts(page, id)
    assert shown == {"ask"}
    lock_in(section, "1")
    assert parts(page, id)[1] == {"sum"}
    section.get_by_role("button", name="Above").click()
    assert parts(page, id)[1] == {"sum", "outcome", "after"}
    page.reload()
    assert parts(page, id)[1] == {"sum", "outcome", "after"}
    report = opened(browser, f"{served}/book/report_card.html")
    assert "1" in report.locator(f'[data-guess-for="{id}"]').first.inner_text()

    plain = browser.browser.new_context(java_script_enabled=False).new_page()
    plain.goto(f"{served}/book/{path.name}")
    assert parts(plain, id)[1] == {"sum", "outcome", "after"}
    plain.context.close()
