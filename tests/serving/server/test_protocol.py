"""Every wrong body is one sentence that names the field; right ones become what they say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.llm.sampling import SamplingParams
from lessons.serving.server import protocol
from lessons.serving.server.protocol import BadRequest

USER = [{"role": "user", "content": "x"}]
WRONG = [
    ({"prompt": 5}, "prompt"),
    ({}, "prompt"),
    ({"prompt": ["a", "b"]}, "prompt"),
    ({"prompt": [1, True]}, "prompt"),
    ({"prompt": "\ud800"}, "prompt"),
    ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
    ({"prompt": "x", "max_tokens": True}, "max_tokens"),
    ({"prompt": "x", "max_tokens": "3"}, "max_tokens"),
    ({"prompt": "x", "temperature": -1}, "temperature"),
    ({"prompt": "x", "temperature": float("nan")}, "temperature"),
    ({"prompt": "x", "temperature": 10**400}, "temperature"),
    ({"prompt": "x", "top_p": 0}, "top_p"),
    ({"prompt": "x", "top_k": -2}, "top_k"),
    ({"prompt": "x", "seed": -1}, "seed"),
    ({"prompt": "x", "stop": ["a", 1]}, "stop"),
    ({"prompt": "x", "stop": list("abcde")}, "stop"),
    ({"prompt": "x", "stop": [""]}, "stop"),
    ({"prompt": "x", "stream": 1}, "stream"),
    ({"prompt": "x", "stream_options": {"include_usage": True}}, "stream_options"),
    ({"prompt": "x", "stream": True, "stream_options": {"more": True}}, "stream_options"),
    ({"prompt": "x", "n": 2}, "n"),
    ({"prompt": "x", "echo": True}, "echo"),
    ({"prompt": "x", "model": 1}, "model"),
    ({"prompt": "x", "messages": USER}, None),
    ({"prompt": "x", "colour": "red"}, None),
]
WRONG_CHATS = [
    ({"messages": []}, "messages"),
    ({"messages": "x"}, "messages"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
    ({"messages": USER, "prompt": "x"}, None),
]


def encoded(fields):
    return json.dumps(fields).encode()


@pytest.mark.parametrize("fields, param", WRONG)
def test_a_wrong_completion_is_refused(fields, param):
    with pytest.raises(BadRequest) as raised:
        protocol.completion(encoded(fields))
    assert raised.value.param == param and raised.value.status == 400
    assert set(raised.value.to_json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("fields, param", WRONG_CHATS)
def test_a_wrong_chat_is_refused(fields, param):
    with pytest.raises(BadRequest) as raised:
        protocol.chat(encoded(fields))
    assert raised.value.param == param


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"[]", b"3"])
def test_what_is_no_object_is_refused(body):
    with pytest.raises(BadRequest, match="send one JSON object"):
        protocol.completion(body)


names = st.sampled_from(sorted(protocol.SERVED | set(protocol.NEUTRAL) | {"prompt", "messages"})) | st.text()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(names, values, max_size=6))
def test_no_body_breaks_the_reader(fields):
    for read in (protocol.completion, protocol.chat):
        try:
            read(encoded(fields))
        except BadRequest as error:
            json.dumps(error.to_json(), ensure_ascii=False).encode()  # what the client gets can be sent


def test_defaults_are_those_of_the_api():
    asked = protocol.completion(encoded({"prompt": "x", "n": 1, "logprobs": None, "user": "me"}))
    assert (asked.prompt, asked.max_tokens, asked.stream, asked.stop) == ("x", 16, False, ())
    assert asked.params == SamplingParams(1.0, 0, 1.0) and asked.seed is None
    assert protocol.chat(encoded({"messages": USER})).max_tokens is None


def test_the_same_thing_can_be_said_in_several_ways():
    assert protocol.completion(encoded({"prompt": [[1, 2]]})).prompt == (1, 2)
    assert protocol.completion(encoded({"prompt": ["x"], "stop": "."})).stop == (".",)
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    asked = protocol.chat(
        encoded({"messages": [{"role": "developer", "content": parts}], "max_completion_tokens": 3})
    )
    assert asked.messages == ({"role": "system", "content": "ab"},) and asked.max_tokens == 3
    assert protocol.completion(encoded({"prompt": "x", "top_k": -1, "temperature": 1e-300})).params.greedy
