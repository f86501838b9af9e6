"""Take thebe's scripts off the pages.

jupyter-book loads sphinx-thebe twice, so that every page reports "THEBE_JS_URL has already been declared". The book
does not use thebe: it would fetch its code from other machines.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def remove_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    context["script_files"] = [script for script in context["script_files"] if not _is_thebe(script)]


def _is_thebe(script: Any) -> bool:
    name, body = str(script.filename or ""), script.attributes.get("body") or ""
    return "sphinx-thebe" in name or "THEBE_JS_URL" in body


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", remove_scripts, priority=900)  # after everybody who adds scripts
    return {"parallel_read_safe": True, "parallel_write_safe": True}
