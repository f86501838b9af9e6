"""Pieces of text are whole characters, hold nothing that a stop text takes back, and together are the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.llm.gguf import GGUF
from lessons.llm.load import find_model
from lessons.llm.tokenizer import BPETokenizer
from lessons.serving.server.text import TextStream

tokenizer = BPETokenizer(GGUF.open(find_model()).metadata)
ids = st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=30)
known = st.characters(
    max_codepoint=0x3FFFF, exclude_characters="\x04\x06\x13\x14\x16\x1d", exclude_categories=["Cs"]
)
real_ids = st.text(known, max_size=20).map(tokenizer.encode)


def pieces(tokens, stop=()):
    stream, found = TextStream(tokenizer, stop), []
    for token in tokens:
        found.append(stream.add(token))
        if stream.stopped:
            return found, True
    return [*found, stream.finish()], stream.stopped


@given(ids | real_ids)
def test_the_pieces_are_the_text(tokens):
    assert "".join(pieces(tokens)[0]) == tokenizer.decode(tokens)


@given(st.text(st.characters(min_codepoint=0x1F600, max_codepoint=0x1F64F), min_size=1, max_size=8))
def test_no_character_is_sent_in_parts(text):
    tokens = tokenizer.encode(text)
    assert len(tokens) > len(text)  # these characters are several tokens each
    found, _ = pieces(tokens)
    assert "�" not in "".join(found[:-1]) and "".join(found) == tokenizer.decode(tokens)


@given(
    st.text("ab é🙂", max_size=30).map(tokenizer.encode),
    st.lists(st.text("ab é🙂", min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_a_stop_text_ends_the_answer_as_in_generate(tokens, stop):
    found, stopped = pieces(tokens, stop)
    # generate looks for stop texts after every token
    seen = next(
        (n for n in range(1, len(tokens) + 1) if any(s in tokenizer.decode(tokens[:n]) for s in stop)), None
    )
    expected = tokenizer.decode(tokens[:seen])
    for s in stop:
        expected = expected.partition(s)[0]
    assert "".join(found) == expected and stopped == (seen is not None)


def test_the_beginning_of_a_stop_text_waits():
    first, second = tokenizer.encode("a"), tokenizer.encode("b")
    stream = TextStream(tokenizer, ["ab"])
    assert stream.add(first[0]) == "" and not stream.stopped
    assert stream.add(first[0]) == "a"
    assert stream.add(second[0]) == "" and stream.stopped


@pytest.mark.parametrize("stop", [(), ("never in there",)])
def test_tokens_without_text_are_empty_pieces(stop):
    assert pieces([tokenizer.eos_id], stop) == (["", ""], False)
