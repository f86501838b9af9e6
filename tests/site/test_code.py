"""Code on the pages of the site: it is not clipped on a desktop, and scrolls in its own box on a phone."""

import nbformat
import pytest
from bs4 import BeautifulSoup
from project import ROOT, notebooks

EXECUTED = ROOT / "_build" / "executed" / "book"
CHAPTERS = [
    path.stem for path in notebooks() if (ROOT / "src" / "lessons" / "experiments" / path.stem).is_dir()
]
CLIPPED = """() => [...document.querySelectorAll("article pre")]
  .filter((block) => block.getClientRects().length > 0 && block.scrollWidth > block.clientWidth)
  .map((block) => `${block.scrollWidth} in ${block.clientWidth}: ${block.innerText.slice(0, 60)}`)"""
UNFOLD = '() => document.querySelectorAll("article details.hide").forEach((fold) => (fold.open = true))'
SIDEWAYS = "() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_cell_prints_into_one_box(name, site):
    notebook = nbformat.read(EXECUTED / f"{name}.ipynb", as_version=4)
    boxes = {
        cell.id: [output.output_type for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code" and any(output.output_type == "stream" for output in cell.outputs)
    }
    assert {name: kinds for name, kinds in boxes.items() if len(kinds) > 1} == {}


@pytest.mark.browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_code_is_not_clipped(name, served, chromium):
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{served}/book/{name}.html")
    assert page.locator("article pre").count() > 3
    page.evaluate(UNFOLD)
    assert page.evaluate(CLIPPED) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(SIDEWAYS) == 0
    page.close()


@pytest.mark.browser
def test_a_clipped_line_is_found(chromium, tmp_path):
    """The check itself: a box that is too narrow for its line, and one that is not."""
    (tmp_path / "code.html").write_text(
        "<!doctype html><article style='width: 400px'><pre style='overflow: auto'>short</pre>"
        f"<pre style='overflow: auto'>{'long ' * 40}</pre></article>"
    )
    page = chromium.new_page()
    page.goto((tmp_path / "code.html").as_uri())
    (found,) = page.evaluate(CLIPPED)
    assert "long" in found
    page.close()


@pytest.mark.browser
def test_a_note_keeps_to_the_column(served, chromium):
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{served}/book/kv_cache.html")
    for width in (1400, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for note in page.locator(".lessons-listing .lessons-note").all():
            box, line = note.bounding_box(), note.locator("xpath=..").bounding_box()
            assert box["height"] > 0 and box["x"] + box["width"] <= line["x"] + line["width"] + 1
    page.close()


def test_listings_link_to_their_source(site):
    """Where it leads is tested with all links; here, that documented functions have one."""
    captions = BeautifulSoup(
        (site / "book" / "kv_cache.html").read_text(encoding="utf-8"), "html.parser"
    ).select("a.lessons-source")
    addresses = [caption["href"] for caption in captions]
    assert any(address.endswith("lessons/llm/paged.html#PagedCache.extend") for address in addresses)
