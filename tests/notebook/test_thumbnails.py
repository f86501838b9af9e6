"""A thumbnail keeps a figure's curves and colours, and drops its words."""

import json
import re
from xml.etree import ElementTree as xml

import matplotlib
import pytest

from lessons import figures
from lessons.notebook.thumbnails import SVG, small, thumbnail

matplotlib.use("agg")


def drawing(panels=(1, 1)):
    """Return the wide SVG of a figure with a curve, a legend and words in each panel."""
    figure, axes = figures.new(panels)
    with figures.style():
        for ax in axes:
            figures.measured(ax, [1, 2, 3], [1.0, 4.0, 2.0], label="a curve")
            ax.set_xlabel("an axis")
            ax.text(2, 2, "a word")
            ax.legend()
    return re.search(r'<svg class="lessons-wide".*?</svg>', figures.render(figure, "A curve.").html, re.S)[0]


@pytest.fixture(scope="module")
def two():
    return drawing((1, 2))


def test_no_word_and_no_axis_is_left(two):
    root = xml.fromstring(small(two))
    assert "".join(root.itertext()).strip() == ""
    ids = [tag.get("id", "") for tag in root.iter()]
    assert not [name for name in ids if re.search(r"text|legend|matplotlib", name)]


def test_the_curve_is_left_in_the_colour_of_the_theme(two):
    before, after = xml.fromstring(two), xml.fromstring(small(two))
    blue = lambda root: [p for p in root.iter(f"{{{SVG}}}path") if "--lessons-blue" in p.get("style", "")]  # noqa: E731
    assert 2 <= len(blue(after)) <= len(blue(before))


def test_the_drawing_ends_where_its_axes_do(two):
    before = [float(x) for x in xml.fromstring(two).get("viewBox").split()]
    after = [float(x) for x in xml.fromstring(small(two)).get("viewBox").split()]
    assert after[0] > before[0] and after[1] >= before[1] - 6
    assert 0.8 * before[2] < after[2] < before[2] and 0.7 * before[3] < after[3] < before[3]


def test_it_is_small_hidden_from_readers_of_words_and_every_reference_in_it_is_kept(two):
    text = small(two)
    assert len(text) < len(two) / 2
    root = xml.fromstring(text)
    assert root.get("aria-hidden") == "true" and root.get("class") == "lessons-thumbnail"
    ids = {tag.get("id") for tag in root.iter()}
    assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", text)) <= ids


def notebook(path, *cells):
    """Write an executed notebook: each cell's source and the HTML that it shows."""
    outputs = lambda html: [{"output_type": "display_data", "data": {"text/html": html}}] if html else []  # noqa: E731
    record = {"cells": [{"source": [source], "outputs": outputs(html)} for source, html in cells]}
    path.write_text(json.dumps(record))
    return path


def figure(x):
    return f'<figure><svg class="lessons-wide" viewBox="0 0 9 9" xmlns="{SVG}"><path d="M {x} 0"/></svg></figure>'


def test_the_first_studys_figure_is_taken_else_the_first(tmp_path):
    path = tmp_path / "a.ipynb"
    cells = [("diagram.draw()", figure(1)), ("study(x.a)", "<p>none</p>"), ("study(x.b)", figure(2))]
    assert "M 2 0" in thumbnail(notebook(path, *cells))
    assert "M 1 0" in thumbnail(notebook(path, *cells[:2]))
    assert thumbnail(notebook(path, cells[1])) == ""


def test_what_was_not_run_has_no_picture(tmp_path):
    assert thumbnail(tmp_path / "none.ipynb") == ""
    (tmp_path / "half.ipynb").write_text("{")
    assert thumbnail(tmp_path / "half.ipynb") == ""
