"""Say at the foot of a page where and when its numbers were made; tools/stamp.py wrote it into the notebook."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx


def add_stamp(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Add the stamp to a page that is made from a notebook. Other pages have no numbers of this build."""
    source = Path(app.env.doc2path(page))
    if source.suffix != ".ipynb":
        return
    if parts := json.loads(source.read_text(encoding="utf-8"))["metadata"].get("stamp"):
        said = " · ".join(map(escape, parts))
        context["body"] += f'<p class="lessons-stamp">The numbers on this page: {said}.</p>'


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_css_file("stamp.css")
    app.connect("html-page-context", add_stamp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
