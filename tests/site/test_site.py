"""The site: every page as a file, and in a real browser, from a server and from the file system.

All of it is one file, because the tests run a file to a process and the site is to be built once.
"""

from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from browse import SET_THEME, problems_of
from bs4 import BeautifulSoup
from cells import should_show
from project import ROOT, notebooks, pages

EXECUTED = ROOT / "_build" / "executed" / "book"
EXTRA_PAGES = ["search", "genindex"]
HIDDEN = {"remove-cell", "remove-output", "hide-cell"}


@pytest.fixture(scope="session")
def soups(site):
    """Every page of the site, parsed, by path."""
    # The theme keeps templates of its own under _static, which are no pages.
    paths = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    return {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in paths}


@pytest.fixture(scope="session")
def anchors(soups):
    return {path: {tag["id"] for tag in soup.find_all(id=True)} for path, soup in soups.items()}


def test_every_page_of_the_contents_was_made(site):
    missing = [name for name in pages() if not (site / f"{name}.html").exists()]
    assert missing == []


def test_links_lead_somewhere(site, soups, anchors):
    broken = []
    for path, soup in soups.items():
        for tag in soup.find_all(["a", "img", "script", "link"]):
            link = tag.get("href") or tag.get("src") or ""
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not link:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                broken.append(f"{path.relative_to(site)}: {link}")
            elif parts.fragment and target in anchors and unquote(parts.fragment) not in anchors[target]:
                broken.append(f"{path.relative_to(site)}: no anchor {link}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(soups):
    loaded = [
        tag.get("src") or tag.get("href")
        for soup in soups.values()
        for tag in soup.find_all(["script", "img", "iframe", "link"])
        if tag.name != "link" or "stylesheet" in (tag.get("rel") or [])
    ]
    assert [link for link in loaded if link and urlsplit(link).netloc] == []


@pytest.mark.parametrize("name", [path.stem for path in notebooks()])
def test_no_cell_failed_and_none_is_silent(name, site):
    notebook = nbformat.read(EXECUTED / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        kinds = {output.output_type for output in cell.outputs}
        assert "error" not in kinds, cell.source
        if should_show(cell.source) and not HIDDEN & set(cell.metadata.get("tags", [])):
            assert kinds & {"stream", "display_data", "execute_result"}, f"shows nothing: {cell.source}"


@pytest.mark.browser
@pytest.mark.parametrize("name", [*pages(), *EXTRA_PAGES])
def test_a_page_is_whole(name, site, served, chromium):
    from_server = problems_of(chromium, f"{served}/{name}.html")
    from_disk = problems_of(chromium, (site / f"{name}.html").as_uri())
    assert (from_server, from_disk) == ([], [])


@pytest.mark.browser
def test_a_planted_fault_is_found(chromium, tmp_path):
    """The checks themselves: a page with one fault of each kind."""
    (tmp_path / "bad.html").write_text(
        "<!doctype html><html><body><article><div style='width: 3000px'>wide</div><img src='gone.png'>"
        "<svg></svg></article><form class='bd-search'>a</form><form class='bd-search'>b</form>"
        "<script src='http://192.0.2.1/x.js'></script><script>throw new Error('planted')</script></body></html>"
    )
    found = "\n".join(problems_of(chromium, (tmp_path / "bad.html").as_uri()))
    for fault in (
        "scrolls sideways",
        "broken image",
        "image without alternative text",
        "drawing without alternative text",
        "2 search bars",
        "leaves the machine: http://192.0.2.1/x.js",
        "script error: planted",
        "failed: ",
    ):
        assert fault in found


@pytest.mark.browser
def test_the_search_finds_a_word(served, chromium):
    page = chromium.new_page()
    page.goto(f"{served}/search.html?q=roofline")
    page.wait_for_selector("#search-results li a", timeout=20_000)
    page.close()


@pytest.mark.browser
def test_a_figure_takes_the_colour_of_the_theme(served, chromium):
    page = chromium.new_page()
    page.goto(f"{served}/book/intro.html")
    colour = "() => getComputedStyle(document.querySelector('.lessons-figure text')).fill"
    page.evaluate(SET_THEME, "light")
    light = page.evaluate(colour)
    page.evaluate(SET_THEME, "dark")
    assert page.evaluate(colour) != light
    page.close()
