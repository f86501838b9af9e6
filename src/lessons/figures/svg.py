"""A figure as SVG inside the page: its text and axes take the colours of the page's theme."""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.legend import Legend

from lessons.figures.captions import first_sentence
from lessons.figures.style import BACKGROUND, COLOURS, FOREGROUND, MUTED, NARROW, style

LICENCE = "Bytes per Token, CC BY 4.0"

# Each colour becomes a CSS variable, which book/assets/book.css sets for the light and the dark theme.
# Where that style sheet is not loaded, JupyterLab's variables answer, and else the colour itself.
_VARIABLES = {
    FOREGROUND: f"var(--lessons-fg, var(--jp-ui-font-color1, {FOREGROUND}))",
    "#000000": f"var(--lessons-fg, var(--jp-ui-font-color1, {FOREGROUND}))",
    MUTED: f"var(--lessons-muted, var(--jp-border-color1, {MUTED}))",
    BACKGROUND: f"var(--lessons-bg, var(--jp-layout-color0, {BACKGROUND}))",
    **{colour: f"var(--lessons-{name}, {colour})" for name, colour in COLOURS.items()},
}
_KEY = 0.3  # inches of a legend of one line
_PIXELS_PER_POINT = 1.25  # the largest scale: ten-point text is then as tall as the page's small print


@dataclass(frozen=True)
class Picture:
    """A drawn figure and the words for whoever cannot see it. A notebook shows it as a cell's value."""

    html: str
    png: bytes
    alt: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/html": self.html, "image/png": self.png, "text/plain": self.alt}


def render(figure: Figure, alt: str, name: str = "") -> Picture:
    """Turn a figure into a ``Picture``: inline SVG with a caption, and a PNG for where HTML is not shown.

    It is drawn a second time for narrow screens, panels that stand side by side one below the other; the figure
    passed in stays narrow, so draw nothing more on it.

    Args:
        figure: from ``figures.new``.
        alt: what the figure shows and what one sees in it, for screen readers and as text. Its first sentence is the
            caption.
        name: what the figure is called on its page: "kv_cache.waste" can be linked to as ``#fig-kv_cache-waste``. The
            site asks for one, and gives the figure its number and its downloads (book/_ext/figures.py).

    Raises:
        ValueError: when ``alt`` is empty, or ``name`` is more than letters, digits, "_", "-" and ".".
    """
    if not alt.strip():
        raise ValueError("a figure needs its alternative text: say what it shows and what one sees in it")
    if not re.fullmatch(r"[A-Za-z0-9_.-]*", name):
        raise ValueError(f"the figure's name {name!r} must be of letters, digits, '_', '-' and '.'")
    caption = first_sentence(alt)
    words = {"Title": caption, "Description": alt, "Copyright": LICENCE}
    with style():
        _refit_all(figure)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=150, facecolor="white", metadata=words)
        drawings = [("lessons-wide", _svg(figure))]
        _make_narrow(figure)
        drawings.append(("lessons-narrow", _svg(figure, hidden=True)))
    inner = "".join(svg.replace("<svg ", f'<svg class="{kind}" ', 1) for kind, svg in drawings)
    anchor = f' id="fig-{name.replace(".", "-")}"' if name else ""
    markup = (
        f'<figure class="lessons-figure"{anchor}>'
        # One description for the drawing: its own text would be read out tick by tick.
        f'<div role="img" aria-label="{html.escape(alt)}">{inner}</div>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
    return Picture(markup, png.getvalue(), alt)


def _svg(figure: Figure, hidden: bool = False) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg ") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Matplotlib's style sheet selects "*", which inside a page is the whole page; _fluid() sets the same.
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", text)
    text = _unique_ids(text)
    text = re.sub(r"#[0-9a-f]{6}\b", lambda match: _VARIABLES.get(match[0], match[0]), text)
    # Matplotlib measured its text in DejaVu Sans, which is wider than the page's font: all still fits.
    text = re.sub(r"'DejaVu Sans'(, '[^']*')*(, [a-z-]+)*", "system-ui, sans-serif", text)
    return _fluid(text, hidden)


def _unique_ids(text: str) -> str:
    """Prefix each id: a page holds many figures, and matplotlib calls a part of each of them ``axes_1``."""
    prefix = f"f{hashlib.sha256(text.encode()).hexdigest()[:8]}-"
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'href="#', f'href="#{prefix}', text)
    return text.replace("url(#", f"url(#{prefix}")


def _fluid(text: str, hidden: bool) -> str:
    """Let the drawing shrink with its column, and grow no further than its text stays in proportion.

    A hidden one waits for book.css, which shows it on a phone: where that is not loaded, one drawing is enough.
    """
    size = re.search(r'width="([\d.]+)pt" height="[\d.]+pt"', text)
    if size is None:
        raise ValueError("matplotlib wrote an SVG without a size in points")
    widest = float(size[1]) * _PIXELS_PER_POINT
    look = (
        f"max-width: {widest:.0f}px; stroke-linejoin: round; stroke-linecap: butt{'; display: none' * hidden}"
    )
    return text.replace(size[0], f'aria-hidden="true" width="100%" style="{look}"', 1)


def _make_narrow(figure: Figure) -> None:
    """Give a figure the width of a phone: panels side by side go below each other, and legends get fewer columns."""
    panels = [(ax, ax.get_subplotspec()) for ax in figure.axes]
    grid = next((spec.get_gridspec() for _, spec in panels if spec is not None), None)
    height = figure.get_figheight()
    if grid is not None and grid.ncols > 1:
        column = GridSpec(grid.nrows * grid.ncols, 1, figure=figure)
        for ax, spec in panels:
            if spec is not None:
                ax.set_subplotspec(column[spec.num1])
                _label_alone(ax, panels)
        height *= grid.ncols
    figure.set_size_inches(NARROW, height)
    _refit_all(figure)
    # A legend grows as its columns become fewer, and would take that from the panels.
    tall = sum(legend.get_window_extent().height / figure.dpi for legend in figure.legends)
    figure.set_size_inches(NARROW, height + max(0.0, tall - _KEY))


def _label_alone(ax: Axes, panels: Sequence[tuple[Axes, Any]]) -> None:
    """Give a panel the y labels that its neighbour on the left has carried for both."""
    if not ax.yaxis.get_tick_params().get("labelleft", True):
        ax.tick_params(axis="y", labelleft=True)
        ax.set_ylabel(panels[[panel for panel, _ in panels].index(ax) - 1][0].get_ylabel())


def _refit_all(figure: Figure) -> None:
    for legend in list(figure.legends):
        _refit(figure, legend)


def _refit(figure: Figure, legend: Legend) -> None:
    """Give a legend below the panels as many columns as fit the figure's width."""
    # A legend's own handles are copies, and those of error bars lack their marker.
    drawn = {label: handle for ax in figure.axes for handle, label in zip(*ax.get_legend_handles_labels())}
    labels = [text.get_text() for text in legend.get_texts()]
    copies = zip(labels, legend.legend_handles)
    handles: list[Any] = [drawn.get(label, copy) for label, copy in copies]
    for columns in range(len(labels), 0, -1):
        legend.remove()
        legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns)
        figure.draw_without_rendering()
        if legend.get_window_extent().width <= figure.bbox.width:
            return
