"""The error a reader may see: one sentence that names the value, the limit and the remedy."""

from __future__ import annotations

import reprlib
from typing import Any


class LessonError(Exception):
    """Something a reader can put right.

    The command line prints the message alone, without a traceback. Each message says which value was wrong,
    what the limit is, and what to do.
    """


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80
_short.maxlong = 40


def shown(value: Any) -> str:
    """Return ``repr(value)`` on one line, cut in the middle where it is long: a stranger's name may be a megabyte."""
    try:
        return _short.repr(value).replace("\n", "")
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "a number of thousands of digits"
