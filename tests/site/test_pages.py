"""The pages as files: their links, and what their cells show."""

import ast
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from project import ROOT, notebooks, pages

EXECUTED = ROOT / "_build" / "executed" / "book"
SHOWING = {"print", "study", "table", "render", "display"}
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


def should_show(source):
    """Say whether a reader expects something below this cell: it ends in a value, or in a call that shows one."""
    if source.startswith("%%gpu"):
        return True
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a cell with another magic
        return False
    if not body or not isinstance(body[-1], ast.Expr):
        return False
    last = body[-1].value
    if isinstance(last, ast.Call):
        return getattr(last.func, "id", getattr(last.func, "attr", "")) in SHOWING
    return True
