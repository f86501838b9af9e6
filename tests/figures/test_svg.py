"""What render() promises the page: valid SVG, ids of its own, the theme's colours, and words."""

import io
import re
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

from lessons import figures


def picture(panels=(1, 1), value=1.0, alt="A line that rises.", name=""):
    figure, axes = figures.new(panels)
    with figures.style():
        for ax in axes:
            figures.predicted(ax, [1, 2, 4], [value, 2, 3])
            figures.measured(ax, [1, 2, 4], [value, 2.1, 2.8], [value, 2.0, 2.7], [value, 2.2, 2.9])
            figures.recorded(ax, [1, 2, 4], [2, 4, 6])
            ax.text(1, 1, "a < b & c")
            ax.legend()
    return figures.render(figure, alt, name)


def ids(markup):
    return re.findall(r'\bid="([^"]+)"', markup)


def test_the_markup_is_well_formed_and_described():
    drawn = picture(alt='Says "more" & <less>. Then more.')
    root = ElementTree.fromstring(drawn.html.replace("xlink:href", "href"))
    drawing, caption = root
    assert drawing.get("role") == "img"
    assert drawing.get("aria-label") == 'Says "more" & <less>. Then more.'
    assert [svg.get("aria-hidden") for svg in drawing] == ["true", "true"]
    assert (caption.tag, caption.text) == ("figcaption", 'Says "more" & <less>.')


def test_a_name_makes_an_anchor():
    assert ElementTree.fromstring(picture(name="kv_cache.waste").html.replace("xlink:href", "href")).get(
        "id"
    ) == ("fig-kv_cache-waste")
    assert " id=" not in picture().html.partition("<div")[0]


@pytest.mark.parametrize("name", ["two words", "a/b", 'a"b'])
def test_a_name_that_is_no_anchor_is_refused(name):
    with pytest.raises(ValueError, match="name"):
        picture(name=name)


def test_the_png_says_what_it_shows_and_whose_it_is():
    words = Image.open(io.BytesIO(picture(alt="A line. It rises by 2 µs.").png)).text
    assert (words["Title"], words["Description"]) == ("A line.", "A line. It rises by 2 µs.")
    assert words["Copyright"] == figures.LICENCE


def test_every_reference_finds_its_target_in_the_same_drawing():
    markup = picture((1, 2)).html
    targets = set(re.findall(r'href="#([^"]+)"', markup)) | set(re.findall(r"url\(#([^)]+)\)", markup))
    assert targets and targets <= set(ids(markup))


def test_two_figures_share_no_id():
    first, second = ids(picture((1, 2)).html), ids(picture(value=1.5).html)
    assert len(set(first)) == len(first)
    assert not set(first) & set(second)


def test_every_colour_can_follow_the_theme():
    markup = picture().html
    without_variables = re.sub(r"var\([^;\"]*\)+", "", markup)
    assert not re.search(r"#[0-9a-f]{6}\b", without_variables)
    for name in ("fg", "muted", "bg", "blue", "vermilion", "green"):
        assert f"var(--lessons-{name}," in markup


def test_a_phone_gets_a_narrow_drawing_with_its_panels_stacked():
    boxes = re.findall(
        r'class="lessons-(wide|narrow)".*?viewBox="0 0 ([\d.]+) ([\d.]+)"', picture((1, 2)).html
    )
    (wide, wide_x, wide_y), (narrow, narrow_x, narrow_y) = boxes
    assert (wide, narrow) == ("wide", "narrow")
    assert float(wide_x) > float(wide_y) and float(narrow_x) < float(narrow_y)
    assert picture((2, 1)).html.count("<svg ") == 2


def test_without_a_style_sheet_one_drawing_is_shown():
    wide, narrow = re.findall(r'<svg [^>]* style="([^"]*)"', picture().html)
    assert "display: none" in narrow and "display" not in wide


def test_a_stacked_panel_has_labels_of_its_own():
    figure, (left, right) = figures.new((1, 2))
    for ax in (left, right):
        ax.plot([0, 1], [3, 7])
    right.tick_params(axis="y", labelleft=False)
    figures.render(figure, "two lines")
    assert all(tick.label1.get_visible() for tick in right.yaxis.get_major_ticks())


def test_a_legend_below_the_panels_fits_a_phone():
    figure, (ax,) = figures.new()
    for i in range(5):
        ax.plot([0, 1], [0, i], label=f"a line with a long name, {i}")
    figure.legend(loc="outside lower center", ncols=5)
    figures.render(figure, "five lines")
    (legend,) = figure.legends
    assert legend.get_window_extent().x0 >= 0 and legend.get_window_extent().x1 <= figure.bbox.width
    assert len(legend.get_texts()) == 5


def test_the_bundle_has_a_fallback_for_each_reader():
    bundle = picture()._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert bundle["text/plain"] == "A line that rises."


def test_a_figure_without_words_is_refused():
    figure, _ = figures.new()
    with pytest.raises(ValueError, match="alternative text"):
        figures.render(figure, "  ")


def test_a_key_of_many_lines_takes_nothing_from_the_panel():
    def panel(lines):
        figure, (ax,) = figures.new()
        with figures.style():
            for i in range(lines):
                figures.predicted(ax, [1, 2], [i, 2], f"one of the long names of a figure, {i}")
            figures.key(figure)
        figures.render(figure, "Lines.")
        figure.draw_without_rendering()
        return ax.get_window_extent().height

    assert panel(6) == pytest.approx(panel(1), rel=0.05)
