"""Every page in a real browser: two widths, two themes, from a server and from the file system, without the network."""

from pathlib import Path

import pytest
from project import pages

pytestmark = pytest.mark.browser

CHECKS = (Path(__file__).parent / "checks.js").read_text(encoding="utf-8")
VIEWS = [(1400, "light"), (1400, "dark"), (420, "light"), (420, "dark")]
SET_THEME = "theme => Object.assign(document.documentElement.dataset, { theme, mode: theme })"
EXTRA_PAGES = ["search", "genindex"]


def problems_of(browser, address):
    """Open a page, look at it in each view, and return all that is wrong."""
    found = []
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and found.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: found.append(f"script error: {error}"))
    page.on("requestfailed", lambda request: found.append(f"failed: {request.url} {request.failure}"))
    page.on(
        "response", lambda answer: answer.status >= 400 and found.append(f"{answer.status}: {answer.url}")
    )
    page.on(
        "request", lambda request: is_local(request.url) or found.append(f"leaves the machine: {request.url}")
    )
    page.goto(address, wait_until="load")
    page.evaluate("() => window.MathJax?.startup?.promise")
    for width, theme in VIEWS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(SET_THEME, theme)
        page.wait_for_timeout(50)  # one layout, and the theme's listeners to the resize
        found += [f"{width} px, {theme}: {problem}" for problem in page.evaluate(CHECKS)]
    context.close()
    return found


def is_local(url):
    return url.startswith(("file:", "data:", "blob:", "about:", "http://127.0.0.1:"))


@pytest.mark.parametrize("name", [*pages(), *EXTRA_PAGES])
def test_a_page_is_whole(name, site, served, chromium):
    from_server = problems_of(chromium, f"{served}/{name}.html")
    from_disk = problems_of(chromium, (site / f"{name}.html").as_uri())
    assert (from_server, from_disk) == ([], [])


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


def test_the_search_finds_a_word(served, chromium):
    page = chromium.new_page()
    page.goto(f"{served}/search.html?q=roofline")
    page.wait_for_selector("#search-results li a", timeout=20_000)
    page.close()


def test_a_figure_takes_the_colour_of_the_theme(served, chromium):
    page = chromium.new_page()
    page.goto(f"{served}/book/intro.html")
    colour = "() => getComputedStyle(document.querySelector('.lessons-figure text')).fill"
    page.evaluate(SET_THEME, "light")
    light = page.evaluate(colour)
    page.evaluate(SET_THEME, "dark")
    assert page.evaluate(colour) != light
    page.close()
