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
    assert [cell.get("class") for cell in root.iter("th")] == [None, "number", "number"]


def test_text_columns_line_up():
    lines = str(table([("one", 1), ("three", 333)], ("name", "count"))).splitlines()
    assert lines == ["name   count", "one        1", "three    333"]


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="3 cells for 2 columns"):
        table([(1, 2, 3)], ("a", "b"))
