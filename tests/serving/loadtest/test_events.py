"""Lines end where the standard says, however the bytes come."""

import asyncio
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.serving.loadtest.events import RequestFailed, events, lines


async def arriving(pieces):
    for piece in pieces:
        yield piece


def every(make, pieces):
    async def collect():
        return [one async for one in make(arriving(pieces))]

    return asyncio.run(collect())


marks = st.sampled_from(
    [b"\n", b"\r", b"\r\n", b"\n\n", b"", "\u2028".encode(), "\u0085".encode(), b"\x0b", b"a"]
)


@given(st.lists(st.lists(marks | st.binary(max_size=3), max_size=4).map(b"".join), max_size=8))
def test_lines_end_at_lf_cr_and_crlf_alone(pieces):
    assert every(lines, pieces) == re.split(rb"\r\n|\n|\r", b"".join(pieces))


def test_a_line_is_there_before_the_next_begins():
    async def first(pieces):
        return await anext(lines(arriving(pieces)))

    async def never():
        yield b"data: 1\r"
        raise AssertionError("asked for more than the line needs")

    async def from_never():
        return await anext(lines(never()))

    assert asyncio.run(first([b"a", b"b\n", b"c"])) == b"ab"
    assert asyncio.run(from_never()) == b"data: 1"


texts = st.text(st.characters(codec="utf-8") | st.sampled_from("\u2028\u2029\u0085\r\n\x1c"), max_size=20)


@given(
    st.lists(texts, max_size=5), st.sampled_from([b"\n", b"\r", b"\r\n"]), st.integers(1, 9), st.booleans()
)
def test_every_text_comes_whole(sent, end, size, escaped):
    stream = b"".join(
        b"data: " + json.dumps({"text": text}, ensure_ascii=escaped).encode() + end + end for text in sent
    )
    stream += b"data: [DONE]" + end + end
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert every(events, pieces) == [{"text": text} for text in sent]


def test_an_event_is_there_before_the_empty_line():
    async def pieces():
        yield b'data: {"a": 1}\n'
        raise AssertionError("waited for the empty line")

    async def first():
        return await anext(events(pieces()))

    assert asyncio.run(first()) == {"a": 1}


@pytest.mark.parametrize("end", [b"", b"data: {", b"data: 5"])
def test_a_stream_needs_its_end(end):
    with pytest.raises(RequestFailed):
        every(events, [b'data: {"a": 1}\n\n', end])
