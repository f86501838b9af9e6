"""The tokenizer against llama.cpp's ids (reference/make_tokens.py), and back to text."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.errors import LessonError
from lessons.llm.gguf import GGUF
from lessons.llm.load import find_model
from lessons.llm.tokenizer import BPETokenizer

CASES = json.loads((Path(__file__).parent / "reference" / "tokens.json").read_text())
TOKENIZER = BPETokenizer(GGUF.open(find_model()).metadata)


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case["text"][:20]))
def test_ids_are_those_of_llama_cpp(case):
    assert TOKENIZER.encode(case["text"]) == case["ids"]


# Bytes that training never saw have no token: six control characters, and the first bytes of planes 4 and up.
LOST = "\x04\x06\x13\x14\x16\x1d"
known = st.characters(max_codepoint=0x3FFFF, exclude_characters=LOST + "<", exclude_categories=["Cs"])


@settings(max_examples=200)
@given(st.text(known, max_size=80))
def test_any_text_comes_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_a_byte_without_a_token_is_dropped():
    assert TOKENIZER.decode(TOKENIZER.encode(f"a{LOST}b")) == "ab"


def test_digits_stand_alone():
    assert len(TOKENIZER.encode("20241")) == 5


def test_control_tokens():
    assert TOKENIZER.encode("<|im_start|>") == [1]
    assert TOKENIZER.eos_id == 2 and TOKENIZER.stop_ids == {0, 2}
    assert TOKENIZER.decode([1, *TOKENIZER.encode("hi"), 2]) == "hi"


def test_chat_follows_the_template_of_the_file():
    jinja2 = pytest.importorskip("jinja2")
    template = jinja2.Template(GGUF.open(find_model()).metadata["tokenizer.chat_template"])
    user, system = {"role": "user", "content": "Hi?"}, {"role": "system", "content": "Be brief."}
    answer = {"role": "assistant", "content": "Yes."}
    for messages in ([user], [system, user], [user, answer, user]):
        assert TOKENIZER.chat(messages) == template.render(messages=messages, add_generation_prompt=True)


def test_refuses_another_tokenizer():
    with pytest.raises(LessonError, match="smollm"):
        BPETokenizer({"tokenizer.ggml.model": "llama"})
    with pytest.raises(LessonError, match=r"tokenizer\.ggml\.tokens"):
        BPETokenizer({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm"})


@pytest.mark.parametrize("changed", [{"eos_token_id": 49152}, {"eos_token_id": -1}, {"merges": ["no such"]}])
def test_refuses_one_that_contradicts_itself(changed):
    metadata = GGUF.open(find_model()).metadata
    metadata |= {f"tokenizer.ggml.{key}": value for key, value in changed.items()}
    with pytest.raises(LessonError, match="fetch it again"):
        BPETokenizer(metadata)


def test_a_file_without_an_end_of_text_has_one_stop_token():
    metadata = GGUF.open(find_model()).metadata
    tokens = metadata["tokenizer.ggml.tokens"]
    metadata["tokenizer.ggml.tokens"] = ["<|other|>" if t == "<|endoftext|>" else t for t in tokens]
    assert BPETokenizer(metadata).stop_ids == {2}
