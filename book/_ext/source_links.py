"""Make a link of each listing's caption: to the repository, or to the module's page among the sources.

A notebook does not know where it will be read, so ``lessons.notebook.listing`` says in attributes what it shows, and
the site makes the link. Until pyproject.toml names a real repository, only documented modules have a page to link to.
"""

from __future__ import annotations

import html
import re
from typing import Any

from sphinx.application import Sphinx

CAPTION = re.compile(r'<span class="lessons-source"(?P<data>(?: data-[a-z]+="[^"]*")*)>(?P<text>.*?)</span>')
DATA = re.compile(r'data-([a-z]+)="([^"]*)"')


def link_captions(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the links into a page's body."""
    if "lessons-source" not in (body := context.get("body") or ""):
        return

    def linked(found: re.Match[str]) -> str:
        shown = {key: html.unescape(value) for key, value in DATA.findall(found["data"])}
        address = _in_repository(app, shown) or _in_site(app, page, shown)
        if not address:
            return found[0]
        return f'<a class="lessons-source" href="{html.escape(address)}">{found["text"]}</a>'

    context["body"] = CAPTION.sub(linked, body)


def _in_repository(app: Sphinx, shown: dict[str, str]) -> str:
    """Return the address of the lines in the repository; nothing without a repository, or without a file."""
    theme = app.config.html_theme_options
    if not theme.get("use_repository_button") or not shown["path"]:  # else the address is jupyter-book's own
        return ""
    first, _, last = shown["lines"].partition("-")
    return f"{theme['repository_url']}/blob/main/src/{shown['path']}#L{first}-L{last}"


def _in_site(app: Sphinx, page: str, shown: dict[str, str]) -> str:
    """Return the relative address of the module's page, at the nearest name that has an anchor there."""
    entry = getattr(app.env, "_viewcode_modules", {}).get(shown["module"])
    if not entry:
        return ""
    anchored = entry[2]  # of the module's names, those that are documented
    names = shown["name"].split(".")
    nearest = [".".join(names[:n]) for n in range(len(names), 0, -1)]
    anchor = next((f"#{name}" for name in nearest if name in anchored), "")
    return app.builder.get_relative_uri(page, f"_modules/{shown['module'].replace('.', '/')}") + anchor


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", link_captions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
