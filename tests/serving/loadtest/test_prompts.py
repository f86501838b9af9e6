"""Prompts are as long as wanted, no two begin alike, and they are the same everywhere."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.llm.gguf import GGUF
from lessons.llm.load import find_model
from lessons.llm.tokenizer import BPETokenizer
from lessons.serving.loadtest.prompts import WORDS, Prompts, Words
from lessons.serving.request import Request


@pytest.fixture(scope="module")
def tokenizer():
    return BPETokenizer(GGUF.open(find_model()).metadata)


def made(prompts, tokens, count):
    return [prompts(Request(n, 0.0, tokens, 1)) for n in range(count)]


def test_prompts_have_their_own_beginning():
    texts = made(Prompts(Words(), seed=1), 20, 1000)
    assert len({tuple(text.split()[:3]) for text in texts}) == 1000
    assert len({text.split()[0] for text in texts}) == len(WORDS) == len(set(WORDS)) == 256
    assert texts == made(Prompts(Words(), seed=1), 20, 1000)
    assert not set(texts) & set(made(Prompts(Words(), seed=2), 20, 1000))


def test_prompts_do_not_depend_on_the_python():
    text = "\n".join(made(Prompts(Words(), seed=1), 40, 40))
    assert hashlib.sha256(text.encode()).hexdigest() == DIGEST


DIGEST = "afd5a1bf902616532274b06de778cd553eb99a3565eee8aca8e78b334efc1160"


def bytes_of(text):
    return len(text.encode())


def with_marks(text):
    """A tokenizer with marks around the text, that cuts words after every third letter."""
    return 3 + sum(-(-len(word) // 3) for word in text.split())


def whole_phrases(text):
    return 1 + -(-len(text.split()) // 3)


@pytest.mark.parametrize("tokens", [8, 12, 128, 2000, 7964])
def test_prompts_have_their_length_on_our_model(tokenizer, tokens):
    def count(text):
        return len(tokenizer.encode(text))

    words = Words.counted(count(WORDS[0]), count(" ".join(WORDS)))
    lengths = [count(text) for text in made(Prompts(words, seed=0), tokens, 20)]
    assert set(lengths) == {tokens}


@pytest.mark.parametrize("count", [bytes_of, with_marks, whole_phrases])
@pytest.mark.parametrize("tokens", [128, 2000, 7964])
def test_prompts_have_their_length_on_any(count, tokens):
    words = Words.counted(count(WORDS[0]), count(" ".join(WORDS)))
    lengths = [count(text) for text in made(Prompts(words, seed=0), tokens, 100)]
    assert sum(lengths) / 100 == pytest.approx(tokens, rel=0.02)
    assert tokens < 7964 or max(lengths) < 1.02 * tokens  # near the limit none is too long


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(1, 10**7))
def test_any_counts_give_a_length(one, many, tokens):
    words = Words.counted(one, many)
    assert 0.2 <= words.tokens <= 20 and words.needed(tokens) >= 1


def test_a_server_that_counts_nothing_is_taken_to_count_words():
    assert Words.counted(1, 1) == Words.counted(9, 0) == Words() and Words().needed(7) == 7


def test_a_trace_has_its_own_tokens():
    assert Prompts(Words(), seed=1)(Request(0, 0.0, 2, 1, (7, 8))) == [7, 8]


@given(st.integers(-(10**20), 10**20), st.integers(1, 10))
def test_any_number_of_a_request_makes_a_prompt(number, tokens):
    assert len(Prompts(Words(), seed=1)(Request(number, 0.0, tokens, 1)).split()) == tokens
