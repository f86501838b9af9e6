"""The web side: routes, one coroutine a request, and what happens when a client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from reprlib import repr as shortened
from typing import Any, NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from lessons.errors import LessonError
from lessons.llm.tokenizer import BPETokenizer
from lessons.serving.server import answers, protocol
from lessons.serving.server.answers import ChatShape, CompletionShape
from lessons.serving.server.metrics import ServerMetrics
from lessons.serving.server.origins import Origins
from lessons.serving.server.protocol import (
    BadRequest,
    ChatCompletionRequest,
    CompletionRequest,
    StreamOptions,
    error_json,
)
from lessons.serving.server.text import TextStream
from lessons.serving.server.worker import Job, Output, Worker

Asked = CompletionRequest | ChatCompletionRequest
CLIENT_LEFT = 499  # nginx's status for a client that closed the connection; nobody reads it
ROUTES = ("/v1/completions", "/v1/chat/completions", "/v1/models", "/health", "/metrics")
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
        origins: whose pages may use the server besides this computer's, see ``Origins``.
    """

    def __init__(
        self,
        name: str,
        tokenizer: BPETokenizer,
        worker: Worker,
        metrics: ServerMetrics,
        origins: tuple[str, ...] = (),
    ) -> None:
        self.name, self.tokenizer, self.worker, self._metrics = name, tokenizer, worker, metrics
        self._origins = origins

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/completions", self.completions, methods=["POST"]),
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
                Route("/v1/models", self.models),
                Route("/v1/models/", self.models),
                Route("/v1/models/{id:path}", self.model),
                Route("/health", self.health),
                Route("/metrics", self.metrics),
            ],
            middleware=[Middleware(Origins, self._origins)],
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
        """Continue a text, which is all that the model reads.

        Control tokens in it are control, as in llama.cpp and vLLM: clients that write the chat template themselves
        need them. Who puts in a stranger's text sends ``"parse_special": false``, or uses ``chat``.
        """
        asked = protocol.read(CompletionRequest, await _body(request))
        return await self._answer(request, asked, CompletionShape(self.name))

    async def chat(self, request: Request) -> Response:
        """Answer a conversation. Whatever its messages hold is text; only the template begins and ends turns."""
        asked = protocol.read(ChatCompletionRequest, await _body(request))
        return await self._answer(request, asked, ChatShape(self.name))

    async def models(self, request: Request) -> Response:
        """List the one model."""
        return JSONResponse({"object": "list", "data": [self._card()]})

    async def model(self, request: Request) -> Response:
        """Describe the one model."""
        self._has(request.path_params["id"])
        return JSONResponse(self._card())

    async def health(self, request: Request) -> Response:
        """Say with the status whether the engine runs."""
        return Response(status_code=200 if self.worker.alive else 503)

    async def metrics(self, request: Request) -> Response:
        """Return Prometheus's text."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST)

    def _card(self) -> dict[str, Any]:
        card = {"id": self.name, "object": "model", "created": 0, "owned_by": "lessons"}
        return {**card, "max_model_len": self.worker.longest}

    def _has(self, model: str) -> None:
        if model != self.name:
            message = f"The model {shortened(model)} does not exist; this server has {self.name}"
            raise BadRequest(message, "model", "model_not_found", 404)

    async def _answer(self, request: Request, asked: Asked, shape: CompletionShape) -> Response:
        if asked.model is not None:
            self._has(asked.model)
        prompt_ids = await asyncio.to_thread(self._encode, asked)
        job = self._submit(prompt_ids, asked)
        pieces = self._pieces(job, TextStream(self.tokenizer, asked.stop))

        def cancel() -> None:
            self.worker.cancel(job)

        if asked.stream:
            return EventStream(_events(pieces, job, shape, asked.stream_options), cancel)
        try:
            return await _unless_gone(request, _collect(pieces, job, shape))
        finally:
            cancel()

    def _encode(self, asked: Asked) -> tuple[int, ...]:
        try:
            if isinstance(asked, ChatCompletionRequest):
                return tuple(self.tokenizer.encode_chat(asked.conversation))
            return self._prompt(asked)
        except BadRequest:
            raise
        except LessonError as error:  # of the tokenizer
            raise BadRequest(str(error), _text_field(asked)) from None

    def _prompt(self, asked: CompletionRequest) -> tuple[int, ...]:
        if isinstance(asked.prompt, list):
            if not all(0 <= id < self.tokenizer.vocab_size for id in asked.prompt):
                raise BadRequest(
                    f"prompt holds ids that are no tokens; they must be from 0 to {self.tokenizer.vocab_size - 1}",
                    "prompt",
                )
            return tuple(asked.prompt)
        ids = tuple(self.tokenizer.encode(asked.prompt, parse_special=asked.parse_special))
        if not ids:
            raise BadRequest("prompt holds no tokens; send at least one character to continue", "prompt")
        return ids

    def _submit(self, prompt_ids: tuple[int, ...], asked: Asked) -> Job:
        longest = self.worker.longest
        max_tokens = longest - len(prompt_ids) if asked.limit is None else asked.limit
        if max_tokens < 1 or len(prompt_ids) + max_tokens > longest:
            raise BadRequest(
                # LiteLLM and LangChain know this mistake by "prompt is too long", others by vLLM's "maximum context".
                f"the prompt is too long: it has {len(prompt_ids)} tokens, {max(1, max_tokens)} may be written, and "
                f"this model's maximum context length is {longest} tokens; shorten the prompt or ask for fewer",
                _text_field(asked),
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


def _text_field(asked: Asked) -> str:
    """Return the field with what the model reads."""
    return "messages" if isinstance(asked, ChatCompletionRequest) else "prompt"


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
    pieces: AsyncIterator[Piece], job: Job, shape: CompletionShape, options: StreamOptions
) -> AsyncIterator[bytes]:
    tokens = 0

    def counts() -> dict[str, int]:
        return answers.usage(job.request.prompt_tokens, tokens)

    def counted(chunk: dict[str, Any]) -> bytes:
        return answers.event({**chunk, "usage": counts()} if options.counts_each else chunk)

    for chunk in shape.first():
        yield counted(chunk)
    try:
        async for piece in pieces:
            tokens += 1
            yield counted(shape.chunk(*piece))
        if options.include_usage:
            yield answers.event(shape.last(counts()))
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
    message = error.detail
    if error.status_code == 404:
        message = f"this server has no {shortened(request.url.path)}; it has {', '.join(ROUTES)}"
    return JSONResponse(error_json(message, kind), error.status_code, error.headers)


async def _leave(request: Request, error: Exception) -> Response:
    """The client left while it was still sending."""
    return Response(status_code=CLIENT_LEFT)
