"""What a browser finds wrong with a page: two widths, two themes, without the network."""

from pathlib import Path

CHECKS = (Path(__file__).parent / "checks.js").read_text(encoding="utf-8")
VIEWS = [(1400, "light"), (1400, "dark"), (420, "light"), (420, "dark")]
SET_THEME = "theme => Object.assign(document.documentElement.dataset, { theme, mode: theme })"


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
