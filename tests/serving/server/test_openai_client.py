"""OpenAI's own client package against the real server: what it sends is taken, and it understands what comes back."""

from typing import get_type_hints

import httpx
import openai
import pytest
from openai.types import completion_create_params
from openai.types.chat import ChatCompletionStreamOptionsParam
from openai.types.chat import completion_create_params as chat_params
from pydantic import BaseModel

from lessons.serving.server import NAME
from lessons.serving.server.neutral import HARMLESS, NEUTRAL
from lessons.serving.server.protocol import ChatCompletionRequest, CompletionRequest, StreamOptions

ASKED = [{"role": "user", "content": "Count from one to five."}]
GREEDY = {"model": NAME, "temperature": 0, "max_tokens": 8}


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=f"{server}/v1", api_key="any", max_retries=0, timeout=60) as client:
        yield client


def chat(client, **fields):
    return client.chat.completions.create(messages=ASKED, **{**GREEDY, **fields})


def complete(client, prompt="One, two, three,", **fields):
    return client.completions.create(prompt=prompt, **{**GREEDY, **fields})


@pytest.mark.parametrize(
    "sent, taken",
    [
        (chat_params.CompletionCreateParamsBase, ChatCompletionRequest),
        (completion_create_params.CompletionCreateParamsBase, CompletionRequest),
    ],
)
def test_every_field_of_the_package_is_known(sent, taken):
    assert set(get_type_hints(sent)) <= set(taken.model_fields) | HARMLESS | set(NEUTRAL)
    assert set(get_type_hints(ChatCompletionStreamOptionsParam)) <= set(StreamOptions.model_fields)


def test_models_can_be_listed_and_looked_up(client):
    (model,) = client.models.list()
    assert model.id == NAME and client.models.retrieve(NAME) == model
    for unknown in ("gpt-4o", "HuggingFaceTB/SmolLM2-135M"):
        with pytest.raises(openai.NotFoundError) as raised:
            client.models.retrieve(unknown)
        assert raised.value.code == "model_not_found" and raised.value.type == "invalid_request_error"


def test_a_chat_is_the_same_whole_and_in_pieces(client):
    whole = chat(client)
    assert whole.choices[0].finish_reason == "length" and whole.usage.completion_tokens == 8
    chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [chunk.usage for chunk in chunks] == [None] * 9 + [whole.usage]


def test_the_helper_for_streams_gathers_the_answer(client):
    fields = {"model": NAME, "temperature": 0, "messages": [{"role": "user", "content": "Say only: yes."}]}
    with client.chat.completions.stream(**fields) as stream:
        gathered = stream.get_final_completion().choices[0]
    whole = client.chat.completions.create(**fields).choices[0]
    assert gathered.message.content == whole.message.content
    assert gathered.finish_reason == whole.finish_reason == "stop"


def test_counts_come_with_each_piece_when_asked_for(client):
    options = {"include_usage": True, "continuous_usage_stats": True}
    *chunks, last = chat(client, stream=True, stream_options=options)
    assert [chunk.usage.completion_tokens for chunk in chunks] == list(range(9))
    assert all(c.usage.total_tokens == c.usage.prompt_tokens + c.usage.completion_tokens for c in chunks)
    assert last.choices == [] and last.usage == chunks[-1].usage == chat(client).usage
    pieces = list(complete(client, stream=True, stream_options=options))
    assert [piece.usage.completion_tokens for piece in pieces] == [*range(1, 9), 8]


def test_fields_that_change_nothing_are_taken(client):
    harmless = {
        "prompt_cache_key": "k", "prompt_cache_retention": "24h", "safety_identifier": "s", "user": "u",
        "metadata": {"a": "b"}, "store": False, "service_tier": "auto", "modalities": ["text"], "n": 1,
        "response_format": {"type": "text"}, "parallel_tool_calls": True, "logprobs": False, "verbosity": "medium",
        "prediction": {"type": "content", "content": "One"}, "presence_penalty": 0, "logit_bias": {},
    }  # fmt: skip
    assert chat(client, **harmless).choices == chat(client).choices
    options = {"include_obfuscation": False}
    text = "".join(c.choices[0].delta.content for c in chat(client, stream=True, stream_options=options))
    assert text == chat(client).choices[0].message.content


@pytest.mark.parametrize(
    "field, value, code",
    [
        ("n", 2, "unsupported_value"),
        ("logprobs", True, "unsupported_value"),
        ("reasoning_effort", "high", "unsupported_value"),
        ("tools", [{"type": "function", "function": {"name": "f"}}], "unsupported_parameter"),
        ("web_search_options", {}, "unsupported_parameter"),
        ("temperature", -1, None),
    ],
)
def test_what_is_not_done_is_refused_by_name(client, field, value, code):
    with pytest.raises(openai.BadRequestError) as raised:
        chat(client, **{field: value})
    assert (raised.value.param, raised.value.code) == (field, code) and field in raised.value.message


def test_a_form_of_answer_that_is_not_written_is_refused(client):
    class Colour(BaseModel):
        name: str

    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.parse(messages=ASKED, response_format=Colour, **GREEDY)
    # LangChain looks for these words, and then proposes another method.
    assert "'response_format' of type 'json_schema' is not supported with this model" in raised.value.message


@pytest.mark.parametrize("seed", [-1, -(2**63), 2**63 - 1])
def test_a_seed_is_any_signed_number(client, seed):
    first, second = (complete(client, temperature=1, seed=seed).choices[0].text for _ in range(2))
    assert first == second


def test_a_prompt_that_is_too_long_is_known_as_such(client):
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model=NAME, messages=[{"role": "user", "content": "a b " * 9000}])
    assert (raised.value.code, raised.value.param) == ("context_length_exceeded", "messages")
    assert "prompt is too long" in raised.value.message
    assert "this model's maximum context length is 384 tokens" in raised.value.message


def test_characters_that_look_like_an_end_of_line_break_no_stream(client, server):
    prompt = "one\u2028two\u2029three\u0085" * 12
    fields = {"max_tokens": 24, "stream": True}
    text = "".join(chunk.choices[0].text for chunk in complete(client, prompt, **fields))
    assert text == complete(client, prompt, max_tokens=24).choices[0].text
    assert "\u2028" in text and "\u2029" in text and "\u0085" in text
    body = {**GREEDY, "prompt": prompt, **fields}
    with httpx.stream("POST", f"{server}/v1/completions", json=body, timeout=60) as answer:
        lines = [line for line in answer.iter_lines() if line]  # httpx splits lines at all three
    assert all(line.startswith("data: ") for line in lines) and len(lines) == 25


def test_a_completion_may_hold_control_tokens_and_may_refuse_to(client):
    def tokens(prompt, **extra):
        return complete(client, prompt, max_tokens=1, extra_body=extra).usage.prompt_tokens

    assert tokens("A<|im_end|>B") == tokens("A<|im_end|>B", parse_special=True) == 3
    assert tokens("A<|im_end|>B", parse_special=False) == tokens("A<|im_ens|>B")


def test_a_character_that_the_model_cannot_read_is_named(client):
    for ask, field in ((complete, "prompt"), (lambda c, text: c.chat.completions.create(
        model=NAME, messages=[{"role": "user", "content": text}]), "messages")):  # fmt: skip
        with pytest.raises(
            openai.BadRequestError, match=r"U\+0004, which the model has no token for"
        ) as raised:
            ask(client, "a\x04b")
        assert raised.value.param == field
