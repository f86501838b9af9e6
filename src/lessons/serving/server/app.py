"""The web side: routes, one coroutine a request, and what happens when a client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from lessons.errors import LessonError
from lessons.llm.tokenizer import BPETokenizer
from lessons.serving.server import answers, protocol
from lessons.serving.server.answers import ChatShape, CompletionShape
from lessons.serving.server.metrics import ServerMetrics
from lessons.serving.server.protocol import BadRequest, ChatCompletionRequest, CompletionRequest, error_json
from lessons.serving.server.text import TextStream
from lessons.serving.server.worker import Job, Output, Worker

Asked = CompletionRequest | ChatCompletionRequest
CLIENT_LEFT = 499  # nginx's status for a client that closed the connection; nobody reads it
LARGEST_BODY = 1 << 20  # bytes; a prompt that fills the model's context has some 40 000


class EngineFailed(Exception):
    """The request ended without an answer."""


class Piece(NamedTuple):
    """The text of one token."""

    text: str
    finish_reason: str | None


class EventStream(StreamingResponse):
    """Server-sent events that run ``on_end`` however they end: told to the end, cut off, or never begun."""

    def __init__(self, events: AsyncIterator[bytes], on_end: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()


class Api:
    """The routes.

    Args:
        name: what clients call the model.
        tokenizer: the model's.
        worker: started and stopped with the application.
        metrics: the worker's.
    """

    def __init__(self, name: str, tokenizer: BPETokenizer, worker: Worker, metrics: ServerMetrics) -> None:
        self.name, self.tokenizer, self.worker, self._metrics = name, tokenizer, worker, metrics

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/completions", self.completions, methods=["POST"]),
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
                Route("/v1/models", self.models),
                Route("/health", self.health),
                Route("/metrics", self.metrics),
            ],
            exception_handlers={BadRequest: _refuse, HTTPException: _refuse, ClientDisconnect: _leave},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def deliver(outputs: list[tuple[Job, Output]]) -> None:
            loop.call_soon_threadsafe(_hand_out, outputs)

        self.worker.start(deliver)
        try:
            yield
        finally:
            await asyncio.to_thread(self.worker.stop)

    async def completions(self, request: Request) -> Response:
        """Continue a text."""
        asked = protocol.read(CompletionRequest, await _body(request))
        return await self._answer(request, asked, CompletionShape(self.name))

    async def chat(self, request: Request) -> Response:
        """Answer a conversation."""
        asked = protocol.read(ChatCompletionRequest, await _body(request))
        return await self._answer(request, asked, ChatShape(self.name))

    async def models(self, request: Request) -> Response:
        """List the one model."""
        model = {"id": self.name, "object": "model", "created": 0, "owned_by": "lessons"}
        return JSONResponse({"object": "list", "data": [{**model, "max_model_len": self.worker.longest}]})

    async def health(self, request: Request) -> Response:
        """Say with the status whether the engine runs."""
        return Response(status_code=200 if self.worker.alive else 503)

    async def metrics(self, request: Request) -> Response:
        """Return Prometheus's text."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def _answer(self, request: Request, asked: Asked, shape: CompletionShape) -> Response:
        if asked.model not in (None, self.name):
            raise BadRequest(
                f"there is no such model; this server has {self.name}", "model", "model_not_found", 404
            )
        prompt_ids = await asyncio.to_thread(self._encode, asked)
        job = self._submit(prompt_ids, asked)
        pieces = self._pieces(job, TextStream(self.tokenizer, asked.stop))

        def cancel() -> None:
            self.worker.cancel(job)

        if asked.stream:
            return EventStream(_events(pieces, job, shape, asked.stream_options.include_usage), cancel)
        try:
            return await _unless_gone(request, _collect(pieces, job, shape))
        finally:
            cancel()

    def _encode(self, asked: Asked) -> tuple[int, ...]:
        if isinstance(asked, ChatCompletionRequest):
            return tuple(self.tokenizer.encode_chat(asked.conversation))
        if isinstance(asked.prompt, list):
            if not all(0 <= id < self.tokenizer.vocab_size for id in asked.prompt):
                raise BadRequest(
                    f"prompt holds ids that are no tokens; they must be from 0 to {self.tokenizer.vocab_size - 1}",
                    "prompt",
                )
            return tuple(asked.prompt)
        ids = tuple(self.tokenizer.encode(asked.prompt))
        if not ids:
            raise BadRequest("prompt holds no tokens; send at least one character to continue", "prompt")
        return ids

    def _submit(self, prompt_ids: tuple[int, ...], asked: Asked) -> Job:
        longest = self.worker.longest
        max_tokens = longest - len(prompt_ids) if asked.limit is None else asked.limit
        if max_tokens < 1 or len(prompt_ids) + max_tokens > longest:
            raise BadRequest(
                f"the prompt has {len(prompt_ids)} tokens and {max(1, max_tokens)} may be written, and the longest "
                f"that fits has {longest}; shorten the prompt or ask for fewer tokens",
                "messages" if isinstance(asked, ChatCompletionRequest) else "prompt",
                "context_length_exceeded",
            )
        try:
            return self.worker.submit(
                prompt_ids, max_tokens, asked.params, asked.seed, asked.ignore_eos, asyncio.Queue()
            )
        except LessonError as error:
            raise HTTPException(503, str(error)) from None

    async def _pieces(self, job: Job, text: TextStream) -> AsyncIterator[Piece]:
        """Yield the text of each token, the last with its reason."""
        while True:
            output: Output = await job.inbox.get()
            if output.error is not None or output.token is None:
                raise EngineFailed(output.error)
            piece = text.add(output.token)
            if output.finish_reason is not None:
                piece += text.finish()
            reason = output.finish_reason
            if text.stopped:
                reason = "stop"
                self.worker.cancel(job, reason)
            yield Piece(piece, reason)
            if reason is not None:
                return


def _hand_out(outputs: Iterable[tuple[Job, Output]]) -> None:
    """Give outputs to the coroutines that wait for them; this runs in the event loop."""
    for job, output in outputs:
        job.inbox.put_nowait(output)


async def _collect(pieces: AsyncIterator[Piece], job: Job, shape: CompletionShape) -> Response:
    text, tokens, reason = "", 0, ""
    try:
        async for piece in pieces:
            text += piece.text
            tokens += 1
            reason = piece.finish_reason or ""
    except EngineFailed as error:
        return JSONResponse(error_json(str(error), "server_error"), status_code=500)
    return JSONResponse(shape.whole(text, reason, answers.usage(job.request.prompt_tokens, tokens)))


async def _events(
    pieces: AsyncIterator[Piece], job: Job, shape: CompletionShape, include_usage: bool
) -> AsyncIterator[bytes]:
    tokens = 0
    for chunk in shape.first():
        yield answers.event(chunk)
    try:
        async for piece in pieces:
            tokens += 1
            yield answers.event(shape.chunk(*piece))
        if include_usage:
            yield answers.event(shape.last(answers.usage(job.request.prompt_tokens, tokens)))
    except EngineFailed as error:  # the status 200 has long been sent
        yield answers.event(error_json(str(error), "server_error"))
    yield answers.DONE


async def _unless_gone(request: Request, answer) -> Response:
    """Wait for an answer, but not longer than its client does."""
    tasks = [asyncio.ensure_future(answer), asyncio.ensure_future(_gone(request))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].result() if tasks[0].done() else Response(status_code=CLIENT_LEFT)
    finally:
        for task in tasks:
            task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise BadRequest(
                f"the body is longer than {LARGEST_BODY} bytes; send a shorter prompt", status=413
            )
    return bytes(body)


async def _refuse(request: Request, error: Exception) -> Response:
    if isinstance(error, BadRequest):
        return JSONResponse(error.to_json(), status_code=error.status)
    assert isinstance(error, HTTPException)
    kind = "server_error" if error.status_code >= 500 else "invalid_request_error"
    return JSONResponse(error_json(error.detail, kind), error.status_code, error.headers)


async def _leave(request: Request, error: Exception) -> Response:
    """The client left while it was still sending."""
    return Response(status_code=CLIENT_LEFT)
