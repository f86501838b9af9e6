"""One streamed completion, with the time of every token, from any OpenAI-compatible server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

from lessons.errors import LessonError
from lessons.serving.loadtest.prompts import Prompt
from lessons.serving.request import Request, State

QUIET = 120.0  # seconds without a byte after which a server has lost the request


class RequestFailed(LessonError):
    """The server refused the request, or did not answer it to the end."""


class Client:
    """Sends requests.

    Args:
        http: with the server's address as base.
        model: the name that the server gives the model.
        now: the clock of the run.
        ignore_eos: ask for every token, past the end of the answer (vLLM, llama.cpp and ours know this).
    """

    def __init__(
        self, http: httpx.AsyncClient, model: str, now: Callable[[], float], ignore_eos: bool
    ) -> None:
        self._http, self._model, self._now, self._ignore_eos = http, model, now, ignore_eos

    async def complete(self, request: Request, prompt: Prompt) -> Request:
        """Send a request and set its ``token_times``, on the run's clock.

        The counts are the server's own where it tells them: a piece of a stream may hold several tokens, or none.

        Args:
            request: its ``max_tokens`` are asked for; its ``prompt_tokens`` become what the server counted.
            prompt: what to send.

        Raises:
            RequestFailed: when no complete answer came.
        """
        body: dict[str, Any] = {
            "model": self._model,
            "prompt": prompt,
            "max_tokens": request.max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._ignore_eos:
            body["ignore_eos"] = True
        times: list[float] = []
        written: list[bool] = []
        counts: dict[str, Any] = {}
        try:
            async with self._http.stream("POST", "/v1/completions", json=body) as answer:
                if answer.status_code != 200:
                    raise RequestFailed(_refusal(answer.status_code, await answer.aread()))
                async for event in _events(answer):
                    for choice in event.get("choices", []):
                        times.append(self._now())
                        written.append(bool(choice.get("text")))
                    counts = event.get("usage") or counts
        except httpx.HTTPError as error:
            raise RequestFailed(f"{type(error).__name__} {error}".strip()) from None
        request.token_times = aligned(times, written, counts.get("completion_tokens"))
        if not request.token_times:
            raise RequestFailed("an answer without tokens")
        request.prompt_tokens = counts.get("prompt_tokens", request.prompt_tokens)
        request.length = request.prompt_tokens + len(request.token_times)
        request.state = State.FINISHED
        return request


def aligned(times: list[float], written: list[bool], tokens: int | None) -> list[float]:
    """Return one time a token.

    Args:
        times: of each piece of the stream.
        written: whether the piece had text.
        tokens: how many the server says it wrote; None where it does not say.

    Returns:
        Where there are more pieces than tokens, empty ones at the end were no tokens (some servers send the reason
        for the end in a piece of its own). Where there are fewer, tokens came together: the last time stands for
        those that are missing, so that TTFT and TPOT stay right.
    """
    times, written = list(times), list(written)
    tokens = sum(written) if tokens is None else tokens
    while len(times) > tokens and not written[-1]:
        times.pop(), written.pop()
    return times[:tokens] + times[-1:] * (tokens - len(times)) if times else []


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of a stream up to its end mark."""
    async for line in answer.aiter_lines():
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        try:
            event = json.loads(data)
        except ValueError:
            raise RequestFailed("an event that is no JSON") from None
        if "error" in event:
            raise RequestFailed(_message(event))
        yield event
    raise RequestFailed("a stream that broke off before [DONE]")


def _refusal(status: int, body: bytes) -> str:
    try:
        return f"HTTP {status}: {_message(json.loads(body))}"
    except ValueError:
        return f"HTTP {status}"


def _message(event: Any) -> str:
    error = event.get("error") if isinstance(event, dict) else None
    return str(error.get("message") if isinstance(error, dict) else error or "no reason given")
