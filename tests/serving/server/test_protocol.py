"""Every wrong body is one sentence that names the field; right ones become what they say."""

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.llm.sampling import Chance, SamplingParams
from lessons.serving.server.neutral import HARMLESS, NEUTRAL
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
    ({"prompt": "x", "seed": -(2**63) - 1}, "seed"),
    ({"prompt": "x", "seed": 2**63}, "seed"),
    ({"prompt": "x", "min_tokens": 3}, "min_tokens"),
    ({"prompt": "x", "min_tokens": 3, "ignore_eos": True, "stop": "."}, "min_tokens"),
    ({"prompt": "x", "n": True}, "n"),
    ({"prompt": "x", "echo": 0}, "echo"),
    ({"prompt": "x", "logprobs": 0}, "logprobs"),
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
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages"),
    ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}]}, "messages"),
    ({"messages": [{"role": "assistant", "content": None}]}, "messages"),
    ({"messages": USER, "modalities": ["text", "audio"]}, "modalities"),
    ({"messages": USER, "reasoning_effort": "low"}, "reasoning_effort"),
    ({"messages": USER, "tool_choice": "required"}, "tool_choice"),
    ({"messages": USER, "parse_special": False}, None),
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
        ({"n": 2}, "Unsupported value: 'n' does not support 2 with this model; it takes only 1"),
        (
            {"function_call": {"name": "f"}},
            "Unsupported value: 'function_call' does not support {'name': 'f'} with this model; "
            "it takes only 'none' or 'auto'",
        ),
        (
            {"structured_outputs": {}},
            "Unsupported parameter: 'structured_outputs' is not supported with this model; leave it out",
        ),
        (
            {"response_format": {"type": "json_schema"}},
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model; "
            "it writes 'text' only",
        ),
        ({"tools": [{}]}, "this model does not support tools; leave tools out"),
        ({"colour": "red"}, "Unknown parameter: 'colour' is no field of this request; leave it out"),
        ({"min_tokens": 3}, "min_tokens is 3; it must be 0, except beside an ignore_eos of true and no stop"),
        ({"stop": 5}, "stop is 5; it must be text, or a list of up to 4"),
        ({"stream_options": {}}, "stream_options is {}; it is only for a stream; set stream to true"),
        (
            {"stream": True, "stream_options": {"a": 1}},
            "Unknown parameter: 'stream_options.a' is no field of this request; leave it out",
        ),
        ({"seed": 2**63}, f"seed is {2**63}; it must be less than or equal to {2**63 - 1}"),
    ],
)
def test_a_refusal_names_field_value_and_limit(fields, sentence):
    with pytest.raises(BadRequest) as raised:
        completion(encoded({"prompt": "x", **fields}))
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    "fields, code",
    [
        ({"colour": "red"}, "unknown_parameter"),
        ({"n": 2}, "unsupported_value"),
        ({"tools": [{}]}, "unsupported_parameter"),
        ({"chat_template": "x"}, "unsupported_parameter"),
        ({"max_tokens": 0}, None),
    ],
)
def test_the_codes_are_those_of_the_api(fields, code):
    with pytest.raises(BadRequest) as raised:
        completion(encoded({"prompt": "x", **fields}))
    assert raised.value.to_json()["error"]["code"] == code


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


served = {*CompletionRequest.model_fields, *ChatCompletionRequest.model_fields}
names = st.sampled_from(sorted(served | HARMLESS | set(NEUTRAL))) | st.text()
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


# What clients send always, by their sources: OpenAI's defaults, vLLM's, and those of llama.cpp's web page.
OFTEN = {
    "n": 1, "echo": False, "suffix": "", "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {},
    "best_of": 1, "logprobs": False, "top_logprobs": 0, "tools": [], "tool_choice": "auto", "functions": [],
    "response_format": {"type": "text"}, "modalities": ["text"], "verbosity": "medium",
    "reasoning_effort": "none", "audio": None, "min_p": 0, "repetition_penalty": 1.0, "length_penalty": 1,
    "use_beam_search": False, "stop_token_ids": [], "skip_special_tokens": True, "priority": 0,
    "prompt_logprobs": None, "chat_template_kwargs": {}, "typical_p": 1, "repeat_penalty": 1.0,
    "dynatemp_range": 0, "mirostat": 0, "n_probs": 0, "timings_per_token": False, "grammar": "",
}  # fmt: skip


def test_what_leaves_the_answer_as_it_is_may_stand_there():
    plain = chat(encoded({"messages": USER}))
    assert chat(encoded({"messages": USER, **OFTEN})) == plain
    assert chat(encoded({"messages": USER, **{name: {"any": ["thing"]} for name in HARMLESS}})) == plain
    empty = {"tool_calls": None, "refusal": None, "name": "me"}
    assert chat(encoded({"messages": [{**USER[0], **empty}]})).conversation == plain.conversation


@pytest.mark.parametrize("name", NEUTRAL)
def test_each_neutral_value_is_taken_and_no_other(name):
    assert not served & {name} and name not in HARMLESS
    plain = chat(encoded({"messages": USER}))
    for value in NEUTRAL[name]:
        assert chat(encoded({"messages": USER, name: value})) == plain
    for value in ({"x": 1}, ["x"], "x", 7.5):
        with pytest.raises(BadRequest) as raised:
            chat(encoded({"messages": USER, name: value}))
        assert raised.value.param == name and "not support" in str(raised.value)


def test_the_shortest_answer_may_be_asked_for_where_none_ends_early():
    assert completion(encoded({"prompt": "x", "min_tokens": 9, "ignore_eos": True})).min_tokens == 9


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_seed_is_a_signed_number_of_64_bits(seed):
    assert completion(encoded({"prompt": "x", "seed": seed})).seed == seed
    Chance.seeded(seed)


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


@pytest.mark.parametrize("usage, continuous", [(True, True), (True, False), (False, True), (None, True)])
def test_counts_come_with_each_piece_only_where_they_come_at_all(usage, continuous):
    options = {"include_usage": usage, "continuous_usage_stats": continuous, "include_obfuscation": True}
    asked = completion(encoded({"prompt": "x", "stream": True, "stream_options": options}))
    assert asked.stream_options.counts_each == (usage is True and continuous)
