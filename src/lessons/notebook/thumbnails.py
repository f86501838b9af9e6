"""A chapter's first result, small: its curves without axes and words, in the colours of the page's theme."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as xml

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
WIDE = re.compile(r'<svg class="lessons-wide".*?</svg>', re.S)
# What matplotlib calls the groups that say nothing when nobody can read them.
WORDS = re.compile(r"-(text|legend|matplotlib\.axis)_\d+$")
NUMBER = r"-?[\d.]+(?:e-?\d+)?"
MARGIN = 6.0  # of the drawing's own units, around the axes


def thumbnail(executed: Path) -> str:
    """Return the figure of a notebook's first ``study``, else its first figure, as a small SVG; else nothing.

    Args:
        executed: a notebook with its outputs; it need not exist.
    """
    try:
        cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError):
        return ""
    found = sorted(_drawings(cells), key=lambda pair: not pair[0])  # stable: each kind in its order
    return small(found[0][1]) if found else ""


def small(drawing: str) -> str:
    """Return an SVG of ``lessons.figures`` cut down to what its axes hold."""
    xml.register_namespace("", SVG)
    xml.register_namespace("xlink", XLINK)
    root = xml.fromstring(drawing)
    _cut(root)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{SVG}}}text" or WORDS.search(child.get("id", "")):
                parent.remove(child)
    for name in ("width", "height", "style"):
        root.attrib.pop(name, None)
    root.set("class", "lessons-thumbnail")
    root.set("aria-hidden", "true")  # the title beside it says what it is of
    root.set("style", "max-width: 20rem; stroke-linejoin: round")
    text = re.sub(r"(\.\d)\d+", r"\1", xml.tostring(root, encoding="unicode"))
    return re.sub(r"\s+", " ", text)


def _drawings(cells: list[dict]) -> Iterator[tuple[bool, str]]:
    """Yield each figure of a notebook, and whether a study has drawn it."""
    for cell in cells:
        for output in cell.get("outputs", []):
            markup = "".join(output.get("data", {}).get("text/html", ""))
            if drawing := WIDE.search(markup):
                yield "study(" in "".join(cell["source"]), drawing[0]


def _cut(root: xml.Element) -> None:
    """Let the drawing end where its axes do: the first patch of each is what lies behind them."""
    corners: list[tuple[float, float]] = []
    for group in root.iter(f"{{{SVG}}}g"):
        if re.search(r"-axes_\d+$", group.get("id", "")):
            path = group.find(f"{{{SVG}}}g/{{{SVG}}}path")
            if path is not None:
                pairs = re.findall(rf"({NUMBER}) ({NUMBER})", path.get("d", ""))
                corners += [(float(x), float(y)) for x, y in pairs]
    if corners:
        left, top = (min(values) - MARGIN for values in zip(*corners))
        right, bottom = (max(values) + MARGIN for values in zip(*corners))
        root.set("viewBox", f"{left:.1f} {top:.1f} {right - left:.1f} {bottom - top:.1f}")
