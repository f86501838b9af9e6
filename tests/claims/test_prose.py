"""What counts as prose, and what counts as a number with a unit."""

import json

import prose
import pytest
import quantities


def texts(markdown):
    return [found.text for sentence in prose.sentences(markdown) for found in quantities.find(sentence)]


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("It reads 3.35 TB/s.", ["3.35 TB/s"]),
        ("The sum is 1,979 TFLOP/s.", ["1,979 TFLOP/s"]),
        ("Between 20.4-38.2% or 20.4 to 38.2 %.", ["20.4-38.2 %", "20.4-38.2 %"]),
        ("A 64-byte line, a 16-bit number.", ["64 byte", "16 bit"]),
        ("At 2.5x the speed, 3 times the bytes.", ["2.5 x", "3 times"]),
        ("It costs \\$2.50 an hour.", ["$ 2.50"]),
        ("About 135 million weights.", ["135 million weights"]),
        ("Each $10^9$ bytes, $2^{30}$ bytes, or $2.5$ GB.", ["10^9 bytes", "2^30 bytes", "2.5 GB"]),
        (
            "300 tokens per second, 295 FLOP/byte, 90 ns, 5 µs.",
            ["300 tokens per second", "295 FLOP/byte", "90 ns", "5 µs"],
        ),
        ("**40 GB**, and [80 GB](https://example.org/90-GB).", ["40 GB", "80 GB"]),
        ("| H100 | 700 W |", ["700 W"]),
        ("# What 4 GB hold", ["4 GB"]),
        ("- 16 cores", ["16 cores"]),
        # Names and plain counts are no quantities.
        ("Llama-3-8B on an H100 in the 1990s, section 3.2, 2 x 3 cells, 32 layers.", []),
        ("DDR5-4800 and x86-64 in 2023.", []),
    ],
)
def test_numbers_with_units_are_found_in_prose(sentence, found):
    assert texts(sentence) == found


@pytest.mark.parametrize(
    "hidden",
    [
        "```python\nbandwidth = '3 GB/s'\n```",
        "~~~\n3 GB\n~~~",
        "```{code-cell}\nprint('3 GB')\n```",
        "```{math}\n3 \\text{ GB}\n```",
        "```{exercise} Level 1, 10 minutes\n:label: ex-x\n```",
        "`3 GB`",
        "$3 \\text{ GB}$",
        "$$\nx = 3 \\text{ GB}\n$$ (eq-3)",
        "<!-- 3 GB -->",
        "{cite}`3 GB`",
        "```{figure} a.svg\n:alt: 3 GB\n```",
    ],
)
def test_code_formulas_and_comments_are_no_prose(hidden):
    assert texts(hidden) == []
    assert texts(f"Before 1 GB.\n\n{hidden}\n\nAfter 2 GB.") == ["1 GB", "2 GB"]


def test_the_bodies_of_directives_are_prose():
    nested = "````{admonition} A title, 1 GB\n:class: tip\nBody 2 GB.\n```{note}\nInner 3 GB.\n```\nLast 4 GB.\n````"
    assert texts(nested) == ["1 GB", "2 GB", "3 GB", "4 GB"]
    assert texts(":::{note}\nBody 2 GB.\n:::\n\nAfter 5 GB.") == ["2 GB", "5 GB"]


def test_a_number_on_the_next_line_keeps_its_unit():
    assert texts("The bandwidth is 3.35\nTB/s on paper.") == ["3.35 TB/s"]


def test_a_sentence_is_quoted_alone():
    assert list(prose.sentences("It reads 3.35 TB/s. It burns 700 W.")) == [
        "It reads 3.35 TB/s.",
        "It burns 700 W.",
    ]


def test_only_the_markdown_cells_of_a_notebook_are_read(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["It holds ", "80 GB."]},
        {"cell_type": "code", "source": ["print('90 GB')"]},
    ]
    path = tmp_path / "page.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    assert texts(prose.markdown(path)) == ["80 GB"]


@pytest.mark.parametrize(
    ("text", "value", "tolerance", "dimension"),
    [
        ("3.35 TB/s", 3.35e12, 0.005e12, "B/s"),
        ("16 GiB", 16 * 2**30, 0.5 * 2**30, "B"),
        ("2^30 bytes", 2**30, 0, "B"),
        ("16 GB", 16e9, 0.5e9, "B"),
        ("400 Gb/s", 400e9, 0.5e9, "bit/s"),
        ("38.2 %", 0.382, 0.0005, "1"),
        ("8.03 billion parameters", 8.03e9, 0.005e9, "parameters"),
        ("90 ns", 90e-9, 0.5e-9, "s"),
    ],
)
def test_a_number_is_read_in_si_with_half_of_its_last_digit(text, value, tolerance, dimension):
    (found,) = quantities.find(text)
    assert found.values[0] == pytest.approx(value)
    assert found.tolerances[0] == pytest.approx(tolerance)
    assert found.dimension == dimension
