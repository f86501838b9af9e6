"""Every wrong body is one sentence that names the field; right ones become what they say."""

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.llm.sampling import SamplingParams
from lessons.serving.server.protocol import BadRequest, ChatCompletionRequest, CompletionRequest, read

completion, chat = partial(read, CompletionRequest), partial(read, ChatCompletionRequest)
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
    ({"prompt": "x", "temperature": 1e300}, "temperature"),
    ({"prompt": "x", "top_p": 0}, "top_p"),
    ({"prompt": "x", "top_p": float("nan")}, "top_p"),
    ({"prompt": "x", "presence_penalty": float("nan")}, "presence_penalty"),
    ({"prompt": "x", "top_k": -2}, "top_k"),
    ({"prompt": "x", "seed": -1}, "seed"),
    ({"prompt": "x", "stop": ["a", 1]}, "stop"),
    ({"prompt": "x", "stop": list("abcde")}, "stop"),
    ({"prompt": "x", "stop": [""]}, "stop"),
    ({"prompt": "x", "stream": 1}, "stream"),
    ({"prompt": "x", "stream_options": {"include_usage": True}}, "stream_options"),
    ({"prompt": "x", "stream": True, "stream_options": {"more": True}}, "stream_options"),
    ({"prompt": "x", "n": 2}, "n"),
    ({"prompt": "x", "presence_penalty": 0.5}, "presence_penalty"),
    ({"prompt": "x", "tools": [{}]}, "tools"),
    ({"prompt": "x", "logit_bias": {"5": 1}}, "logit_bias"),
    ({"prompt": "x", "response_format": {"type": "json_object"}}, "response_format"),
    ({"prompt": "x", "echo": True}, "echo"),
    ({"prompt": "x", "model": 1}, "model"),
    ({"prompt": "x", "messages": USER}, None),
    ({"prompt": "x", "colour": "red"}, None),
    ({"prompt": "x", "\ud800": 1}, None),
]
WRONG_CHATS = [
    ({"messages": []}, "messages"),
    ({"messages": "x"}, "messages"),
    ({"messages": [3]}, "messages"),
    ({"messages": [{"role": "user"}]}, "messages"),
    ({"messages": [{"role": "user", "content": "\udc00"}]}, "messages"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
    ({"messages": USER, "prompt": "x"}, None),
]


def encoded(fields):
    return json.dumps(fields).encode()


@pytest.mark.parametrize("fields, param", WRONG)
def test_a_wrong_completion_is_refused(fields, param):
    with pytest.raises(BadRequest) as raised:
        completion(encoded(fields))
    assert raised.value.param == param and raised.value.status == 400
    assert set(raised.value.to_json()["error"]) == {"message", "type", "param", "code"}
    assert (param or "is no field of this request") in str(raised.value)


@pytest.mark.parametrize("fields, param", WRONG_CHATS)
def test_a_wrong_chat_is_refused(fields, param):
    with pytest.raises(BadRequest) as raised:
        chat(encoded(fields))
    assert raised.value.param == param


@pytest.mark.parametrize(
    "fields, sentence",
    [
        ({"max_tokens": 0}, "max_tokens is 0; it must be greater than or equal to 1"),
        ({"top_p": 1.5}, "top_p is 1.5; it must be less than or equal to 1"),
        ({"n": 2}, "n is 2; it must be 1"),
        ({"stop": 5}, "stop is 5; it must be text, or a list of up to 4"),
        ({"stream_options": {}}, "stream_options is {}; it is only for a stream; set stream to true"),
        (
            {"stream": True, "stream_options": {"a": 1}},
            "'stream_options.a' is no field of this request; leave it out",
        ),
        ({"seed": 2**63}, f"seed is {2**63}; it must be less than or equal to {2**63 - 1}"),
    ],
)
def test_a_refusal_names_field_value_and_limit(fields, sentence):
    with pytest.raises(BadRequest) as raised:
        completion(encoded({"prompt": "x", **fields}))
    assert str(raised.value) == sentence


def test_a_wrong_message_is_named_by_its_place():
    with pytest.raises(BadRequest) as raised:
        chat(encoded({"messages": [*USER, {"role": "robot", "content": "x"}]}))
    assert str(raised.value).startswith("messages[1].role is 'robot'; it must be 'system', 'developer',")


def test_thousands_of_mistakes_are_counted_and_not_told():
    with pytest.raises(BadRequest, match="the body has 5000 mistakes"):
        chat(encoded({"messages": [0] * 5000}))


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"[]", b"3"])
def test_what_is_no_object_is_refused(body):
    with pytest.raises(BadRequest, match="send one JSON object"):
        completion(body)


names = st.sampled_from([*CompletionRequest.model_fields, *ChatCompletionRequest.model_fields]) | st.text()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(names, values, max_size=6))
def test_no_body_breaks_the_reader(fields):
    for reader in (completion, chat):
        try:
            reader(encoded(fields))
        except BadRequest as error:
            json.dumps(error.to_json(), ensure_ascii=False).encode()  # what the client gets can be sent


def test_defaults_are_those_of_the_api():
    asked = completion(encoded({"prompt": "x", "n": 1, "logprobs": None, "user": "me"}))
    assert (asked.prompt, asked.limit, asked.stream, asked.stop) == ("x", 16, False, [])
    assert not asked.stream_options.include_usage
    assert asked.params == SamplingParams(1.0, 0, 1.0) and asked.seed is None
    assert chat(encoded({"messages": USER})).limit is None


def test_what_leaves_the_answer_as_it_is_may_stand_there():
    neutral = {
        "n": 1,
        "echo": False,
        "suffix": "",
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "min_p": 0,
    }
    neutral |= {"repetition_penalty": 1.0, "logit_bias": {}, "tools": [], "tool_choice": "none"}
    neutral |= {"response_format": {"type": "text"}, "best_of": 1, "logprobs": False, "top_logprobs": 0}
    ignored = {
        "user": "me",
        "metadata": {"a": 1},
        "store": True,
        "service_tier": "auto",
        "safety_identifier": "x",
    }
    asked = chat(encoded({"messages": USER, **neutral, **ignored}))
    plain = chat(encoded({"messages": USER}))
    assert (asked.params, asked.limit, asked.conversation) == (plain.params, plain.limit, plain.conversation)


def test_the_same_thing_can_be_said_in_several_ways():
    assert completion(encoded({"prompt": [[1, 2]]})).prompt == [1, 2]
    asked = completion(encoded({"prompt": ["x"], "stop": "."}))
    assert asked.prompt == "x" and asked.stop == ["."]
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    asked = chat(encoded({"messages": [{"role": "developer", "content": parts}], "max_completion_tokens": 3}))
    assert asked.conversation == [{"role": "system", "content": "ab"}] and asked.limit == 3
    assert chat(encoded({"messages": USER, "max_tokens": 4})).limit == 4
    assert completion(encoded({"prompt": "x", "top_k": -1, "temperature": 1e-300})).params.greedy
    assert completion(encoded({"prompt": "x", "top_k": -1})).params == SamplingParams(1.0, 0, 1.0)
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    assert completion(encoded({"prompt": "x", **usage})).stream_options.include_usage
