"""What the glossary does for the other pages.

A link to a term shows the first sentence of its entry, to the mouse and to the keyboard. And the chapter that an entry
ends with is found under the entry's terms: a search for "PagedAttention" gives the chapter, then the definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import docname_join

PAGE = "book/glossary"


def entries(env: BuildEnvironment) -> Iterator[tuple[list[nodes.term], str, list[str]]]:
    """Yield the terms of each entry, its first sentence, and the pages that it links to."""
    for item in env.get_doctree(PAGE).findall(nodes.definition_list_item):
        terms = list(item.findall(nodes.term))
        (meaning,) = item.findall(nodes.definition)
        pages = [
            docname_join(PAGE, link["reftarget"])
            for link in meaning.findall(addnodes.pending_xref)
            if link["reftype"] == "doc"
        ]
        text = " ".join(meaning.astext().split())
        yield terms, re.split(r"(?<=\.)\s", text, maxsplit=1)[0], pages


def lend(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Give a page's links to terms their title, and its search entry the terms that the page treats."""
    meanings: dict[str, str] = {}
    words: list[str] = []
    for terms, meaning, pages in entries(app.env):
        meanings |= {name: meaning for term in terms for name in term["ids"]}
        if page in pages:
            words += [term.astext().replace("’", "'") for term in terms]  # as a keyboard has it
    for word in doctree.findall(nodes.inline):
        link = word.parent
        if "std-term" in word.get("classes", ()) and isinstance(link, nodes.reference):
            link["reftitle"] = meanings[link.get("refid") or link["refuri"].rpartition("#")[2]]
    # Without a target of its own it is one with the page that the search finds by its text.
    found_here = [("single", word, "", "main", None) for word in words]
    next(doctree.findall(nodes.section)).insert(0, addnodes.index(entries=found_here))


def setup(app: Sphinx) -> dict[str, Any]:
    app.config.html_search_scorer = str(Path(__file__).with_name("scorer.js"))
    app.add_css_file("glossary.css")
    app.connect("doctree-resolved", lend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
