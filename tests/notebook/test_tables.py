"""A table says the same as HTML and as text."""

import xml.etree.ElementTree as ElementTree

import pytest

from lessons.notebook.tables import table
from lessons.units import Quantity

RATE = Quantity(40e9, "B/s", 38e9, 42e9, 5)


def test_cells_are_formatted_and_escaped():
    shown = table([("a<b", RATE, 0.123456), ("c", None, 2)], ("what", "rate", "x"), "Rates & ratios")
    root = ElementTree.fromstring(shown._repr_html_())
    assert [cell.text for cell in root.iter("td")] == ["a<b", str(RATE), "0.123", "c", None, "2"]
    assert root.find("table/caption").text == "Rates & ratios"
    assert [cell.get("class") for cell in root.iter("th")] == ["name", "number", "number"]


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        (["524 kB", "131 kB"], True),
        (["1,448,490", ""], True),
        (["+2.9", "-1.1"], True),
        (["3 of 4", "none"], False),
        (["", ""], False),
        (["2 times as fast, measured on another machine", "3 times"], False),
    ],
)
def test_short_texts_that_are_numbers_stand_on_the_right(cells, right):
    assert table([("a", cell) for cell in cells], ("what", "x")).numeric == (False, right)


@pytest.mark.parametrize(
    "name, whole", [("Llama-2-7B", True), ("a name that is as long as a sentence", False)]
)
def test_a_short_name_stays_on_its_line(name, whole):
    assert ('<td class="name">' in table([(name, 1)], ("model", "n"))._repr_html_()) == whole


def test_text_columns_line_up():
    lines = str(table([("one", 1), ("three", 333)], ("name", "count"))).splitlines()
    assert lines == ["name   count", "one        1", "three    333"]


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="3 cells for 2 columns"):
        table([(1, 2, 3)], ("a", "b"))
