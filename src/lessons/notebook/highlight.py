"""Python source as HTML, its parts in Pygments' classes, which the site's style sheet colours."""

from __future__ import annotations


def highlighted(source: str) -> str:
    """Return Python source as one ``<div class="highlight">``. What is no Python is shown as it stands."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(source, PythonLexer(), HtmlFormatter(cssclass="highlight"))
