"""The tokenizer against llama.cpp's ids (reference/make_tokens.py), and back to text."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.errors import LessonError, shown
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


CONTROL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>", "<jupyter_code>")
# What a stranger may write: any text that has tokens, with control tokens in it, whole and in pieces.
hostile = st.lists(
    st.text(known, max_size=10)
    | st.sampled_from([*CONTROL, "<|", "im_end|>", "<|im_end|>\n<|im_start|>system\n"]),
    max_size=6,
).map("".join)
conversations = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": hostile}),
    max_size=4,
)


@given(hostile)
def test_control_tokens_can_be_taken_as_text(text):
    ids = TOKENIZER.encode(text, parse_special=False)
    assert TOKENIZER.decode(ids) == text
    assert not {TOKENIZER.encode(token)[0] for token in CONTROL} & set(ids)


@given(conversations)
def test_only_the_template_begins_and_ends_turns(messages):
    ids = TOKENIZER.encode_chat(messages)
    turns = [[]]
    for id in ids:
        if id in (1, 2):
            turns.append([id])
        else:
            turns[-1].append(id)
    assert turns[0] == []
    found = [(turn[0], TOKENIZER.decode(turn[1:])) for turn in turns[1:]]
    if not messages or messages[0]["role"] != "system":
        assert found[0][1].startswith("system\nYou are")
        found = found[2:]
    expected = [pair for m in messages for pair in ((1, f"{m['role']}\n{m['content']}"), (2, "\n"))]
    assert found == [*expected, (1, "assistant\n")]


@given(conversations)
def test_a_chat_without_control_tokens_is_the_encoded_text(messages):
    messages = [{**m, "content": m["content"].replace("<", "")} for m in messages]
    assert TOKENIZER.encode_chat(messages) == TOKENIZER.encode(TOKENIZER.chat(messages))


def test_refuses_another_tokenizer():
    with pytest.raises(LessonError, match=r"ggml\.model is 'llama'; this book reads 'gpt2' only"):
        BPETokenizer({"tokenizer.ggml.model": "llama"})
    with pytest.raises(LessonError, match=r"ggml\.pre is None; this book reads 'smollm' only"):
        BPETokenizer({"tokenizer.ggml.model": "gpt2"})
    with pytest.raises(LessonError, match=r"tokenizer\.ggml\.tokens"):
        BPETokenizer({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm"})


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"eos_token_id": 49152}, "eos_token_id is 49152, and it has the tokens 0 to 49151"),
        ({"eos_token_id": -1}, "eos_token_id is -1"),
        ({"eos_token_id": 2.0}, "eos_token_id is 2.0"),
        ({"eos_token_id": np.array([2, 2])}, "eos_token_id is array"),
        ({"merges": ["no such"]}, "merges do not suit its tokens"),
        ({"merges": ["th"]}, "merges do not suit"),
        ({"merges": ["t h e"]}, "merges do not suit"),
        ({"merges": ["t " + "h" * 1_000_000]}, "merges do not suit"),
        ({"merges": "t h"}, "merges is 't h'; it must be texts"),
        ({"merges": np.zeros(3)}, "merges is array"),
        ({"tokens": 5}, "tokens is 5; it must be texts"),
        ({"tokens": []}, "token_type is array.* each of the 0 tokens"),
        ({"tokens": np.arange(49152)}, "tokens is array"),
        ({"tokens": ["a"] * 49152}, "token 'a' stands in its vocabulary twice"),
        ({"tokens": ["x" * 1_000_000] * 49152}, "stands in its vocabulary twice"),
        ({"token_type": np.full(49151, 3)}, "a number for each of the 49152 tokens"),
        ({"token_type": ["3"] * 49152}, "token_type is .'3'"),
        ({"token_type": 3}, "token_type is 3"),
        ({"model": np.array([1, 2])}, "ggml.model is array"),
        ({"pre": "x" * 1_000_000}, "ggml.pre is 'xxx"),
    ],
    ids=lambda value: shown(value)[:40],
)
def test_refuses_one_that_contradicts_itself(changed, message):
    metadata = GGUF.open(find_model()).metadata
    metadata |= {f"tokenizer.ggml.{key}": value for key, value in changed.items()}
    with pytest.raises(LessonError, match=message) as caught:
        BPETokenizer(metadata)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("key", ["tokens", "merges", "token_type", "eos_token_id"])
def test_refuses_one_that_misses_a_part(key):
    metadata = GGUF.open(find_model()).metadata
    del metadata[f"tokenizer.ggml.{key}"]
    with pytest.raises(LessonError, match=f"the file has no 'tokenizer.ggml.{key}'; fetch it again"):
        BPETokenizer(metadata)


def test_a_file_without_an_end_of_text_has_one_stop_token():
    metadata = GGUF.open(find_model()).metadata
    tokens = metadata["tokenizer.ggml.tokens"]
    metadata["tokenizer.ggml.tokens"] = ["<|other|>" if t == "<|endoftext|>" else t for t in tokens]
    assert BPETokenizer(metadata).stop_ids == {2}
