"""Tables that follow the page's theme, scroll in their own box on a phone, and read well as text."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lessons.units import Quantity

NUMBER = re.compile(r"[-+−±<>≤≥≈~]? ?\d")  # how a text that is a number begins
SHORT = 24  # letters of a text that is not broken into lines


@dataclass(frozen=True)
class Table:
    """Rows of text under their headings. A notebook shows it as a cell's value.

    Attributes:
        columns: the headings.
        rows: one tuple of texts for each row.
        numeric: for each column, whether it holds numbers, which stand on the right.
        caption: one line above the table.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    caption: str

    def __str__(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        aligned = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, self.numeric)
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.caption, *aligned] if self.caption else aligned)

    def _repr_html_(self) -> str:
        classes = [' class="number"' if right else "" for right in self.numeric]
        # A phone would break "Llama-2-7B" at its hyphens.
        if classes and not self.numeric[0] and all(len(row[0]) <= SHORT for row in self.rows):
            classes[0] = ' class="name"'
        cells = lambda tag, line: "".join(  # noqa: E731
            f"<{tag}{kind}>{html.escape(cell)}</{tag}>" for cell, kind in zip(line, classes)
        )
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        body = "".join(f"<tr>{cells('td', row)}</tr>" for row in self.rows)
        # A box that scrolls must be reachable by keyboard, hence the tabindex.
        return (
            '<div class="lessons-table" tabindex="0"><table>'
            f"{caption}<thead><tr>{cells('th', self.columns)}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": str(self)}


def table(rows: Sequence[Sequence[Any]], columns: Sequence[str], caption: str = "") -> Table:
    """Make a table.

    Args:
        rows: one sequence of cells for each row. A ``Quantity`` is shown with its unit and interval, a float
            with three significant digits, None as an empty cell, anything else as ``str`` gives it. A column of
            short texts that all begin with a digit counts as one of numbers.
        columns: the headings, one for each cell of a row.
        caption: one line above the table.

    Raises:
        ValueError: when a row has more or fewer cells than there are columns.
    """
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"the row {list(row)} has {len(row)} cells for {len(columns)} columns")
    texts = tuple(tuple(_text(cell) for cell in row) for row in rows)
    numeric = tuple(
        any(isinstance(row[i], (int, float, Quantity)) for row in rows) or _numbers([row[i] for row in texts])
        for i in range(len(columns))
    )
    return Table(tuple(columns), texts, numeric, caption)


def _numbers(texts: Sequence[str]) -> bool:
    filled = [text for text in texts if text]
    return bool(filled) and all(NUMBER.match(text) and len(text) <= SHORT for text in filled)


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)
