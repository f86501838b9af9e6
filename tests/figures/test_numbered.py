"""The site's extension: numbers, permalinks and files of the figures."""

import importlib.util
import json
import xml.etree.ElementTree as ElementTree
from base64 import b64encode
from pathlib import Path

import pytest

from lessons import figures

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("numbered_figures", ROOT / "book" / "_ext" / "figures.py")
extension = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(extension)


@pytest.fixture(scope="module")
def picture():
    figure, (ax,) = figures.new()
    figures.predicted(ax, [1, 2], [1, 2])
    figures.measured(ax, [1, 2], [1, 2], color=figures.COLOURS["sky"])
    figures.key(figure)
    return figures.render(figure, 'A "line" & a dash. It rises.', "a_page.rise")


def test_the_style_sheet_has_each_colour_of_the_figures():
    assert {"fg", "muted", "bg", *figures.COLOURS} == extension.light_colours(ROOT).keys()


def test_an_svg_stands_alone_and_says_whose_it_is(picture):
    text = extension.standalone(picture.html, extension.light_colours(ROOT))
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and "var(" not in text
    assert float(root.get("width").removesuffix("pt")) == pytest.approx(8.6 * 72)
    title, desc, metadata, background = list(root)[:4]
    assert (title.text, desc.text) == ('A "line" & a dash.', picture.alt)
    assert metadata.text == figures.LICENCE
    assert background.get("fill") == "#ffffff"
    assert "".join(root.itertext()).count("measured") == 1


def test_a_caption_begins_with_the_number_and_ends_with_the_links(picture):
    numbered = extension.with_number(picture.html, "Figure 4.2", "../_static/figures/fig-a_page-rise")
    caption = ElementTree.fromstring(numbered.replace("xlink:href", "href").replace(" download ", " "))[-1]
    assert "".join(caption.itertext()).startswith('Figure 4.2 A "line" & a dash.')
    links = [link.get("href") for link in caption.iter("a")]
    assert links == [
        "#fig-a_page-rise",
        *(f"../_static/figures/fig-a_page-rise.{kind}" for kind in ("svg", "png")),
    ]


def test_a_notebook_gives_the_png_of_each_anchor(picture, tmp_path):
    data = {"text/html": [picture.html], "image/png": b64encode(picture.png).decode()}
    cells = [{"outputs": [{"data": data}, {"name": "stdout"}]}, {"source": "no outputs"}]
    (tmp_path / "page.ipynb").write_text(json.dumps({"cells": cells}))
    assert extension.pngs(tmp_path / "page.ipynb") == {"fig-a_page-rise": picture.png}
    assert extension.pngs(tmp_path / "page.md") == {}
