"""Take the README's picture of a page from the built site: ``python tools/take_picture.py``."""

from __future__ import annotations

import os
import shutil

from playwright.sync_api import sync_playwright
from project import ROOT, SITE

PAGE, FIGURE = (
    "book/cpu_memory.html#fig-cpu_memory-bandwidth",
    "#fig-cpu_memory-bandwidth",
)  # the link lifts the veil


def main() -> None:
    program = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 760}, color_scheme="light")
        page.goto(f"{SITE.as_uri()}/{PAGE}")
        page.locator(FIGURE).first.evaluate("figure => figure.scrollIntoView({ block: 'center' })")
        page.wait_for_timeout(500)
        page.screenshot(path=ROOT / "book" / "assets" / "page.png")
        browser.close()


if __name__ == "__main__":
    main()
