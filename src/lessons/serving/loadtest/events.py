"""The events of a stream, from a server of which nothing is taken for granted.

Source: the WHATWG's HTML standard, section "Server-sent events", as far as completions use it.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from lessons.errors import LessonError
from lessons.serving.loadtest.words import reason, words

END = re.compile(rb"\r\n|\r|\n")
LONGEST = 1 << 20  # bytes of one event
FIELDS = (b"", b"data", b"event", b"id", b"retry")  # a comment begins with the colon, and so has no name
MOST_LINES = 64  # of data in one event; completions have one


class RequestFailed(LessonError):
    """The server did not answer the request to the end, or not as it should."""


async def lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a stream of bytes, each as soon as it is whole.

    A line ends at LF, CR or CRLF. ``str.splitlines`` and what is built on it (``httpx.Response.aiter_lines``) also
    end it at U+2028, U+2029 and U+0085, which JSON may hold as they are.

    Raises:
        RequestFailed: for a line of more than ``LONGEST`` bytes.
    """
    line, after_cr = bytearray(), False
    async for piece in pieces:
        if after_cr and piece.startswith(b"\n"):  # the second half of a CRLF
            piece, after_cr = piece[1:], False
        if not piece:
            continue
        after_cr = piece.endswith(b"\r")
        first, *others = END.split(piece)
        line += first
        for other in others:
            yield bytes(line)
            line = bytearray(other)
        if len(line) > LONGEST:
            raise RequestFailed(f"a line of more than {LONGEST} bytes")
    yield bytes(line)


async def events(pieces: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """Yield the objects of a stream up to its end mark, ``[DONE]``.

    An event is taken as soon as its data are whole, without waiting for the empty line after it. Comments and values
    that are no objects are skipped: gateways send them to keep a connection alive.

    Raises:
        RequestFailed: for data that are no JSON, for an error that the server reports, and for a stream that ends
            before its end mark.
    """
    data: list[bytes] = []  # of the event that is not whole yet
    strange: list[bytes] = []  # lines of something that is no stream of events
    named_error = False
    async for line in lines(pieces):
        field, _, value = line.partition(b":")
        if field == b"event":
            named_error = value.strip() == b"error"
        elif field == b"data":
            data.append(value.removeprefix(b" "))
            text = b"\n".join(data).strip()
            if text == b"[DONE]":
                return
            known, event = _decoded(text)
            if not known:  # it may go on in the next line
                if len(data) == MOST_LINES:
                    break
                continue
            data = []
            if named_error or _is_error(event):
                raise RequestFailed(f"an error in the stream: {reason(event) or 'no reason given'}")
            if isinstance(event, dict):
                yield event
        elif not line:
            if data:
                break
            named_error = False
        elif field not in FIELDS and len(strange) < MOST_LINES:
            strange.append(line)
    if data:
        raise RequestFailed("an event that is no JSON")
    if strange:
        raise RequestFailed(f"an answer that is no stream of events: {words(b' '.join(strange))}")
    raise RequestFailed("a stream that broke off before [DONE]")


def _decoded(text: bytes) -> tuple[bool, Any]:
    """Return whether the data are whole, and what they say; empty data say nothing."""
    try:
        return True, json.loads(text.decode("utf-8", "replace")) if text else None
    except (ValueError, RecursionError):
        return False, None


def _is_error(event: Any) -> bool:
    return isinstance(event, dict) and (event.get("error") is not None or event.get("object") == "error")
