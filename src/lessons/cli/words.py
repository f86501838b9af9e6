"""What stands on the command line, taken as text."""

from __future__ import annotations

import argparse
import os


def text(word: str) -> str:
    """Return a word as Unicode.

    Where the locale has another encoding than the terminal (``LC_ALL=C`` and UTF-8), Python hands over bytes that it
    could not read, in a form that no text has. They are UTF-8 nearly always.

    Raises:
        ArgumentTypeError: when they are not.
    """
    try:
        word.encode()
        return word
    except UnicodeEncodeError:
        pass
    try:
        return os.fsencode(word).decode()
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
    except UnicodeEncodeError as error:  # Windows has no bytes, but may have half of a character
        byte = ord(word[error.start])
    raise argparse.ArgumentTypeError(f"{word!r} holds {byte:#x}, which is no UTF-8; send text in UTF-8")
