"""A caption is the first sentence, and only that."""

import pytest

from lessons.figures.captions import first_sentence


@pytest.mark.parametrize(
    ("text", "caption"),
    [
        ("One thing. Another.", "One thing."),
        ("A rate of 3.09 GB/s at 0.5 FLOP. More", "A rate of 3.09 GB/s at 0.5 FLOP."),
        ("Cards, e.g. A100 and H100. More.", "Cards, e.g. A100 and H100."),
        ("Cards (e.g. A100). More.", "Cards (e.g. A100)."),
        ("Is it so? It is.", "Is it so?"),
        ('It says "no." Then more.', 'It says "no."'),
        ("Answers A, B and C. Left, D waits.", "Answers A, B and C."),
        ("The version 1. of it. End.", "The version 1. of it."),
        ("No end", "No end"),
        ("Two\nlines of\n one. And more.", "Two lines of one."),
    ],
)
def test_a_sentence_ends_where_a_capital_follows(text, caption):
    assert first_sentence(text) == caption
