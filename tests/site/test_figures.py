"""The figures of the site: to be found, cited, taken along, and read on a desktop and on a phone."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from bs4 import BeautifulSoup
from PIL import Image
from project import notebooks

LEAST = {1400: 12.0, 390: 11.0}  # pixels of the smallest text, by the screen's width
NUMBER = re.compile(r"Figure (?:(\d+)\.)?(\d+)")
LOOK = """() => [...document.querySelectorAll("figure.lessons-figure")].map(figure => {
    const shown = [...figure.querySelectorAll("svg")].filter(svg => svg.getBoundingClientRect().width > 0);
    const [svg] = shown, width = svg.getBoundingClientRect().width, scale = width / svg.viewBox.baseVal.width;
    const texts = [...svg.querySelectorAll("text")].map(text => parseFloat(getComputedStyle(text).fontSize) * scale);
    const caption = parseFloat(getComputedStyle(figure.querySelector("figcaption")).fontSize);
    const column = figure.getBoundingClientRect().width;
    return { id: figure.id, drawings: shown.length, least: Math.min(...texts, caption), share: width / column };
})"""


@pytest.fixture(scope="module")
def pages_with_figures(site):
    """The figures of each page that has some, parsed, by the page's path."""
    found = {}
    for notebook in notebooks():
        path = site / "book" / f"{notebook.stem}.html"
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        if figures := soup.select("figure.lessons-figure"):
            found[path] = figures
    assert len(found) >= 8
    return found


def test_each_figure_of_a_page_has_its_own_anchor(pages_with_figures):
    for path, figures in pages_with_figures.items():
        anchors = [figure.get("id") for figure in figures]
        assert all(anchor and anchor.startswith("fig-") for anchor in anchors), path.name
        assert len(set(anchors)) == len(anchors), path.name


def test_captions_are_numbered_in_the_order_of_the_page(pages_with_figures):
    chapters = {}
    for path, figures in pages_with_figures.items():
        captions = [figure.figcaption.get_text() for figure in figures]
        numbers = [NUMBER.match(caption).groups() for caption in captions]
        assert [int(number) for _, number in numbers] == list(range(1, len(figures) + 1)), path.name
        (chapters[path.name],) = {chapter for chapter, _ in numbers}
        for figure, caption in zip(figures, captions):
            words = figure.select_one("[role=img]")["aria-label"]
            told = NUMBER.sub("", caption).split("#")[0].strip()
            assert told and words.startswith(told)
    numbered = [chapter for chapter in chapters.values() if chapter]
    assert len(set(numbered)) == len(numbered)


def test_each_figure_can_be_linked_to_and_taken_along(pages_with_figures):
    for path, figures in pages_with_figures.items():
        for figure in figures:
            link, svg, png = (anchor["href"] for anchor in figure.select("figcaption a"))
            assert link == f"#{figure['id']}"
            words = figure.select_one("[role=img]")["aria-label"]
            texts = {
                part.tag.rpartition("}")[2]: part.text
                for part in ElementTree.parse(path.parent / svg).getroot()
            }
            assert (texts["desc"], texts["metadata"]) == (words, "Bytes per Token, CC BY 4.0")
            with Image.open(path.parent / png) as image:
                image.load()
                assert image.width > 1000 and image.text["Description"] == words


@pytest.mark.browser
@pytest.mark.parametrize("width", LEAST)
def test_each_figure_fills_its_column_and_its_text_can_be_read(width, pages_with_figures, chromium):
    # Without scripts all that a page can unfold is shown.
    context = chromium.new_context(viewport={"width": width, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    for path, figures in pages_with_figures.items():
        page.goto(path.as_uri())
        page.evaluate("() => document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        seen = page.evaluate(LOOK)
        assert len(seen) == len(figures)
        for figure in seen:
            assert figure["drawings"] == 1, (path.name, figure)
            assert figure["least"] >= LEAST[width], (path.name, figure)
            assert figure["share"] > 0.95, (path.name, figure)
    context.close()
