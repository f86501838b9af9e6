"""One streamed completion, with the time of every token, from any OpenAI-compatible server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from lessons.serving.loadtest.connection import beginning
from lessons.serving.loadtest.events import RequestFailed, events
from lessons.serving.loadtest.prompts import Prompt
from lessons.serving.loadtest.words import refusal
from lessons.serving.request import Request, State

QUIET = 120.0  # seconds without text after which a server has lost the request
MOST_PIECES = 64  # of a stream for each token asked for; some gateways send single characters
MOST_TOKENS = 10_000_000  # that any prompt or answer can have


class Refused(RequestFailed):
    """The server could not be reached, or would not take the request."""


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
            RequestFailed: when no complete answer came, or one that cannot be.
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
        try:
            async with asyncio.timeout(QUIET) as patience:
                times, written, usage = await self._stream(body, request.max_tokens, patience)
        except TimeoutError:
            raise RequestFailed(f"no text for {QUIET:g} s") from None
        except httpx.ConnectError as error:
            raise Refused(f"{type(error).__name__} {error}".strip()) from None
        except httpx.HTTPError as error:
            raise RequestFailed(f"{type(error).__name__} {error}".strip()) from None
        tokens, prompt_tokens = count(usage, "completion_tokens"), count(usage, "prompt_tokens")
        if tokens is not None and tokens > max(request.max_tokens, len(times)):
            raise RequestFailed(f"a usage of {tokens} tokens where {request.max_tokens} were asked for")
        request.token_times = aligned(times, written, tokens)
        if not request.token_times:
            raise RequestFailed("an answer without tokens")
        if prompt_tokens is not None:
            request.prompt_tokens = prompt_tokens
        request.length = request.prompt_tokens + len(request.token_times)
        request.state = State.FINISHED
        return request

    async def _stream(
        self, body: dict[str, Any], max_tokens: int, patience: asyncio.Timeout
    ) -> tuple[list[float], list[bool], Mapping[str, Any]]:
        """Return the times of the stream's pieces, whether each had text, and the last usage that was told."""
        times: list[float] = []
        written: list[bool] = []
        usage: Mapping[str, Any] = {}
        async with self._http.stream("POST", "/v1/completions", json=body) as answer:
            if answer.status_code != 200:
                raise Refused(refusal(answer.status_code, await beginning(answer)))
            async for event in events(answer.aiter_bytes()):
                now = self._now()
                for text in texts(event):
                    times.append(now)
                    written.append(text != "")
                    if text:
                        patience.reschedule(asyncio.get_running_loop().time() + QUIET)
                if len(times) > MOST_PIECES * (max_tokens + 1):
                    raise RequestFailed(f"a stream of over {len(times) - 1} pieces for {max_tokens} tokens")
                told = event.get("usage")
                if told is not None and not isinstance(told, dict):
                    raise RequestFailed("a usage that is no object")
                usage = told or usage
        return times, written, usage


def texts(event: Mapping[str, Any]) -> list[str]:
    """Return the text of each choice of an event, "" for one without; what is no choice is left out."""
    choices = event.get("choices")
    found = [c.get("text") for c in choices if isinstance(c, dict)] if isinstance(choices, list) else []
    return [text if isinstance(text, str) else "" for text in found]


def count(usage: Mapping[str, Any], name: str) -> int | None:
    """Return a count of tokens, or None where the server does not tell it.

    Raises:
        RequestFailed: when it is no whole number, or one that cannot be.
    """
    told = usage.get(name)
    if told is None:
        return None
    if isinstance(told, bool) or not isinstance(told, (int, float)) or told != told // 1:
        raise RequestFailed(f"a usage whose {name} is no whole number")
    if not 0 <= told <= MOST_TOKENS:
        raise RequestFailed(f"a usage whose {name} is not from 0 to {MOST_TOKENS}")
    return int(told)


def aligned(times: list[float], written: list[bool], tokens: int | None) -> list[float]:
    """Return one time a token, so that TTFT and TPOT are what the reader of the text sees.

    Args:
        times: of each piece of the stream, not falling.
        written: whether the piece had text.
        tokens: how many the server says it wrote; None where it does not say: a piece with text is then one.

    Returns:
        The first token is the first piece with text: servers send an empty one to say that they have begun. The last
        is the last piece, unless there are more pieces than tokens; empty ones are then no tokens, such as one with
        nothing but the reason for the end. Between them, where there are still more pieces than tokens, are the
        times of some; where there are fewer, tokens came together, and the last time stands for those missing.
        A stream without any text has only tokens that are not shown, and all its pieces count.
    """
    first = written.index(True) if any(written) else 0
    times, written = times[first:], written[first:]
    tokens = sum(written) if tokens is None else tokens
    spare = len(times) - tokens
    kept: list[float] = []
    for time, text in zip(reversed(times), reversed(written)):
        if spare > 0 and not text:
            spare -= 1
        else:
            kept.append(time)
    kept.reverse()
    if len(kept) <= tokens:
        return kept + kept[-1:] * (tokens - len(kept))
    if tokens < 2:
        return kept[:tokens]
    return [kept[i * (len(kept) - 1) // (tokens - 1)] for i in range(tokens)]
