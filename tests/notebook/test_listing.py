"""A listing shows what the source says, cut and annotated. The book's own are read in tests/house."""

import ast
import functools
import xml.etree.ElementTree as ElementTree

import numba
import pytest

from lessons.errors import LessonError
from lessons.formulas.checks import positive
from lessons.notebook import listing
from lessons.notebook.listing import LEFT_OUT, WIDTH


def area(width, height):
    """Return the area.

    Args:
        width: of a rectangle.
    """
    positive(width=width)
    if height < 0:
        raise ValueError("a height is not negative")
    rows = []

    def row(y):
        """Return one row."""
        return [y] * width

    for y in range(height):
        rows.append(row(y))  # one & one
    return sum(map(len, rows))


CUT = """\
def area(width, height):
    # …
    rows = []

    def row(y):
        return [y] * width

    for y in range(height):
        rows.append(row(y))  # one & one
    return sum(map(len, rows))"""


def lines_of(shown):
    (part,) = shown.parts
    return [line.code for line in part.lines]


def test_docstrings_and_checks_are_left_out():
    assert lines_of(listing(area)) == CUT.split("\n")


def test_a_check_further_down_stays():
    def late(x):
        y = 2 * x
        if y < 0:
            raise ValueError
        return y

    assert LEFT_OUT not in "\n".join(lines_of(listing(late)))
    assert "        raise ValueError" in lines_of(listing(late))


def test_a_range_is_moved_to_the_left_and_says_what_is_missing():
    assert lines_of(listing(area, ("for y", "rows.append"))) == [
        LEFT_OUT,
        "for y in range(height):",
        "    rows.append(row(y))  # one & one",
        LEFT_OUT,
    ]
    assert lines_of(listing(area, ("def area", "rows ="))) == [*CUT.split("\n")[:3], f"    {LEFT_OUT}"]


def test_what_is_shown_is_python():
    for shown in (
        listing(area),
        listing(area, ("def area", "rows =")),
        listing(area, ("for y", "rows.append")),
    ):
        ast.parse(shown.parts[0].text())


@pytest.mark.parametrize("text", ["for z", "Return the area"])
def test_a_line_that_is_not_there_is_an_error(text):
    with pytest.raises(LessonError, match=text):
        listing(area, (text, "return"))


@pytest.mark.parametrize("text", ["row(z)", "row(y)", "positive"], ids=["none", "two", "left out"])
def test_a_note_needs_exactly_one_line(text):
    with pytest.raises(LessonError, match=r"fits \d of the lines shown of area"):
        listing(area, notes={text: "a note"})


def test_a_note_that_fits_stands_behind_its_line_and_a_longer_one_above():
    long = "nothing is kept here, and " * 5
    text = listing(area, notes={"rows = []": "of y", "return sum": long}).parts[0].text().split("\n")
    assert "    rows = []  # of y" in text
    above = text[text.index("        rows.append(row(y))  # one & one") + 1 : -1]
    assert text[-1] == "    return sum(map(len, rows))"
    assert " ".join(line.removeprefix("    # ") for line in above) == long.strip()
    assert max(map(len, text)) <= WIDTH


def test_html_holds_the_same_code_and_the_notes_once():
    shown = listing(area, notes={"rows.append": "one < two"})
    root = ElementTree.fromstring(shown._repr_html_())
    pre = root.find(".//pre")
    (note,) = (element for element in pre.iter("em"))
    assert note.text.strip() == "# one < two"
    text = "".join(pre.itertext()).replace(note.text, "")
    assert text.rstrip("\n") == "\n".join(lines_of(shown))


def test_the_caption_says_where_the_source_is():
    part = listing(positive).parts[0]
    with open(positive.__code__.co_filename, encoding="utf-8") as file:
        source = file.read().split("\n")[part.first - 1 : part.last]
    assert source[0].startswith("def positive") and source[-1].startswith("    ")
    assert part.caption == "lessons/formulas/checks.py, positive"
    data = ElementTree.fromstring(part.html()).find(".//span[@class='lessons-source']").attrib
    assert data["data-module"] == "lessons.formulas.checks"
    assert data["data-lines"] == f"{part.first}-{part.last}"


class Box:
    @property
    def size(self):
        return 3

    @functools.cached_property
    def later(self):
        return 4


@functools.cache
def kept():
    return 5


@numba.njit
def compiled():
    return 6


@pytest.mark.parametrize(
    "thing, name", [(Box.size, "Box.size"), (Box.later, "Box.later"), (kept, "kept"), (compiled, "compiled")]
)
def test_what_is_wrapped_is_shown_as_it_was_written(thing, name):
    (part,) = listing(thing).parts
    assert part.name == name
    assert part.lines[0].code.startswith(f"def {name.split('.')[-1]}(") and len(part.lines) == 2


@pytest.mark.parametrize("thing", [len, 3, "text"])
def test_what_has_no_source_is_refused(thing):
    with pytest.raises(LessonError, match="no source to list"):
        listing(thing)


def test_two_listings_are_joined():
    both = listing(positive) + listing(area)
    assert [part.name for part in both.parts] == ["positive", "area"]
    assert both._repr_html_() == listing(positive)._repr_html_() + listing(area)._repr_html_()
