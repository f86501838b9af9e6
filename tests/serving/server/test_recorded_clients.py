"""What five clients really sent, replayed to the real server; the answers are read in the ways that those clients do.

``recorded/`` holds each kind of request that a run of the client made against ``lessons serve``, caught by a proxy in
between, with three of its headers. Only the prompt that is too long was cut, from 9000 repeats to 300, since the
server of the tests has a shorter context. The clients themselves are too large for the tests' environment.
"""

import json
import re
from pathlib import Path

import httpx
import pytest

FILES = [json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "recorded").glob("*.json"))]
RECORDED = [
    pytest.param(request, id=f"{file['client']}-{number}")
    for file in FILES
    for number, request in enumerate(file["requests"])
]


@pytest.mark.parametrize("recorded", RECORDED)
def test_a_recorded_request_ends_as_its_client_expects(server, recorded):
    answer = httpx.request(
        recorded["method"],
        server + recorded["path"],
        headers=recorded["headers"],
        content=json.dumps(recorded["body"]) if "body" in recorded else None,
        timeout=60,
    )
    outcome = recorded["outcome"]
    if outcome == "answer" and "body" in recorded:
        assert answer.status_code == 200, answer.text
        (read_stream if recorded["body"].get("stream") else read_whole)(answer, recorded["body"])
    elif outcome == "answer":
        READ_BARE[recorded["path"]](answer)
    else:
        REFUSED[outcome](answer, answer.json()["error"])


def read_whole(answer, body):
    """As llm does, which takes the three counts off and keeps the rest as details."""
    usage = answer.json()["usage"]
    written = usage.pop("completion_tokens")
    assert usage.pop("total_tokens") == usage.pop("prompt_tokens") + written and not usage
    (choice,) = answer.json()["choices"]
    assert isinstance(choice["text"] if "prompt" in body else choice["message"]["content"], str)
    assert 1 <= written <= most(body) and choice["finish_reason"] in ("stop", "length")


def read_stream(answer, body):
    """As guidellm and aiperf do: lines of httpx or ``splitlines``, text if there is some, the last counts."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.splitlines() if line]
    assert lines == [line for line in answer.iter_lines() if line] and lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert len({chunk["id"] for chunk in chunks}) == 1
    pieces = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    for piece in pieces:
        assert isinstance(piece["text"] if "prompt" in body else piece["delta"]["content"], str)
    assert [piece["finish_reason"] is None for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    options = body.get("stream_options", {})
    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks if chunk.get("usage")]
    tokens = len(pieces) - ("messages" in body)  # the first piece of a chat names the role
    assert 1 <= tokens <= most(body)
    if options.get("continuous_usage_stats"):
        assert counts == [*range("prompt" in body, tokens + 1), tokens]
    else:
        assert counts == ([tokens] if options.get("include_usage") else [])
    if body.get("ignore_eos"):
        assert tokens == most(body)


def most(body):
    return body.get("max_completion_tokens") or body["max_tokens"]


def read_models(answer):
    assert answer.json()["data"][0]["id"] == "SmolLM2-135M-Instruct"


def read_status(answer):
    assert answer.status_code == 200


READ_BARE = {"/health": read_status, "/metrics": read_status, "/v1/models": read_models}


def is_context(answer, error):
    # LiteLLM looks into the whole body, in small letters; LangChain into the message.
    assert answer.status_code == 400 and error["code"] == "context_length_exceeded"
    assert (
        "prompt is too long" in error["message"]
        and "this model's maximum context length is" in error["message"]
    )


def is_no_model(answer, error):
    assert answer.status_code == 404
    assert error["type"] == "invalid_request_error" and error["code"] == "model_not_found"


def is_unsupported(answer, error):
    assert answer.status_code == 400 and error["code"] in ("unsupported_value", "unsupported_parameter")
    # LiteLLM's words for mistakes that are tried again, or answered with a shorter prompt.
    assert not re.search(r"rate[\s_\-]*limit|context|too long|maximum", error["message"].lower())


def is_format(answer, error):
    is_unsupported(answer, error)
    assert "'response_format' of type 'json_schema' is not supported with this model" in error["message"]


REFUSED = {
    "context": is_context,
    "no such model": is_no_model,
    "unsupported": is_unsupported,
    "format": is_format,
}


def test_the_recordings_hold_what_they_are_for():
    outcomes = {(file["client"], request["outcome"]) for file in FILES for request in file["requests"]}
    assert {
        (client, "answer") for client in ("aiperf", "guidellm", "langchain-openai", "litellm", "llm")
    } <= outcomes
    assert {
        ("litellm", "context"),
        ("langchain-openai", "context"),
        ("langchain-openai", "format"),
    } <= outcomes
    bodies = [request["body"] for file in FILES for request in file["requests"] if "body" in request]
    assert any(body.get("stream_options", {}).get("continuous_usage_stats") for body in bodies)
    assert any(body.get("min_tokens") for body in bodies) and any(body.get("seed") == -1 for body in bodies)
