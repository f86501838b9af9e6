"""A caption from an alternative text."""

from __future__ import annotations

import re

_END = re.compile(r"[.!?][\"')\u201d]*\s+(?=[\"'(\u201c]*[A-Z])")
_ABBREVIATIONS = {"e.g.", "i.e.", "cf.", "vs.", "approx.", "al.", "Fig.", "Eq.", "No."}


def first_sentence(text: str) -> str:
    """Return what stands before the first full stop, question or exclamation mark that a capital follows.

    One that ends an abbreviation, such as "e.g. A100", ends no sentence; one in a decimal has no space behind it.
    """
    text = " ".join(text.split())
    for end in _END.finditer(text):
        sentence = text[: end.end()].rstrip()
        if sentence.split()[-1].lstrip("(\"'\u201c") not in _ABBREVIATIONS:
            return sentence
    return text
