"""Number the figures of each page, and let readers link to them and take them along.

``lessons.figures.render`` gives a figure its anchor and its caption. Here the caption gets the number, "Figure 4.2" by
the chapter's number and the order on the page, a permalink, and links to two files: the wide drawing as an SVG of its
own, in the colours of the light theme, and the PNG that the notebook holds. Both say what they show and their licence.
"""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from lessons.figures import LICENCE
from sphinx.application import Sphinx
from sphinx.util import logging

FOLDER = "_static/figures"
FIGURE = re.compile(r'<figure class="lessons-figure".*?</figure>', re.DOTALL)
ANCHOR = re.compile(r'<figure class="lessons-figure" id="([^"]+)">')
CAPTION = re.compile(r"<figcaption>(.*?)</figcaption>", re.DOTALL)
DRAWING = re.compile(r'<svg class="lessons-wide".*?</svg>', re.DOTALL)
VIEW = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
VARIABLE = re.compile(r"var\(--lessons-(\w+), (?:var\([^()]*\)|[^()]*)\)")
NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
JOINS = "stroke-linejoin: round; stroke-linecap: butt"

logger = logging.getLogger(__name__)


def number_figures(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Complete each figure of a page, in the order in which readers meet them."""
    if app.builder.format != "html":
        return
    drawn = [node for node in doctree.findall(nodes.raw) if FIGURE.search(node.astext())]
    if not drawn:
        return
    chapter = app.env.toc_secnumbers.get(page, {}).get("")
    before = "".join(f"{number}." for number in chapter or ())
    images, colours, seen = (
        pngs(Path(app.env.doc2path(page))),
        light_colours(Path(app.srcdir)),
        set(),
    )

    def completed(match: re.Match[str]) -> str:
        markup = match[0]
        found = ANCHOR.match(markup)
        if found is None or found[1] in seen or found[1] not in images:
            logger.warning(
                "a figure needs a name that no other figure of the page has, and a PNG: %s",
                found[1] if found else CAPTION.search(markup)[1],
                location=page,
            )
            return markup
        seen.add(found[1])
        save(Path(app.outdir), found[1], markup, images[found[1]], colours)
        to_root = "../" * page.count("/")
        number = f"Figure {before}{len(seen)}"
        return with_number(markup, number, f"{to_root}{FOLDER}/{found[1]}")

    for node in drawn:
        new = FIGURE.sub(completed, node.astext())
        node.replace_self(nodes.raw("", new, **node.attributes))


def with_number(markup: str, number: str, file: str) -> str:
    """Return a figure's markup with its number before the caption, and behind it a permalink and the downloads."""
    anchor = ANCHOR.match(markup)[1]
    downloads = " ".join(
        f'<a href="{file}.{kind}" download aria-label="{number} as {kind.upper()}">{kind.upper()}</a>'
        for kind in ("svg", "png")
    )
    words = CAPTION.search(markup)[1]
    caption = (
        f'<figcaption><span class="lessons-number">{number}</span> {words}'
        f'<a class="headerlink" href="#{anchor}" title="Link to this figure">#</a> '
        f'<span class="lessons-downloads">{downloads}</span></figcaption>'
    )
    return CAPTION.sub(lambda _: caption, markup)


def save(site: Path, anchor: str, markup: str, png: bytes, colours: dict[str, str]) -> None:
    """Write a figure's two files into the site."""
    folder = site / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{anchor}.svg").write_text(standalone(markup, colours), encoding="utf-8")
    (folder / f"{anchor}.png").write_bytes(png)


def standalone(markup: str, colours: dict[str, str]) -> str:
    """Return the wide drawing of a figure as a whole SVG file.

    Args:
        markup: the figure element.
        colours: what each variable of the style sheet is, by its name without "--lessons-".
    """
    drawing = DRAWING.search(markup)[0]
    width, height = VIEW.search(drawing).groups()
    inner = VARIABLE.sub(lambda match: colours[match[1]], drawing[drawing.index(">") + 1 :])
    alt = re.search(r'aria-label="([^"]*)"', markup)[1]
    return (
        f'<svg {NAMESPACES} width="{width}pt" height="{height}pt" viewBox="0 0 {width} {height}" style="{JOINS}">'
        f"<title>{CAPTION.search(markup)[1]}</title><desc>{alt}</desc>"
        f"<metadata>{html.escape(LICENCE)}</metadata>"
        f'<rect width="100%" height="100%" fill="#ffffff"/>{inner}\n'
    )


def light_colours(source: Path) -> dict[str, str]:
    """Return the figures' colours in the light theme, from the style sheet."""
    sheet = (source / "book" / "assets" / "book.css").read_text(encoding="utf-8")
    light = re.search(r"^html \{(.*?)\}", sheet, re.DOTALL | re.MULTILINE)[1]
    return dict(re.findall(r"--lessons-(\w+): (#\w+);", light))


def pngs(page: Path) -> dict[str, bytes]:
    """Return the PNG of each figure in a notebook's outputs, by the figure's anchor."""
    if page.suffix != ".ipynb":
        return {}
    found = {}
    for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            anchor = ANCHOR.search("".join(data.get("text/html", "")))
            if anchor and "image/png" in data:
                found[anchor[1]] = base64.b64decode("".join(data["image/png"]))
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", number_figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
