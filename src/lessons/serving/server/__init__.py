"""An OpenAI-compatible server around the book's own engine.

Read in this order: ``protocol`` (what a request may say), ``neutral`` (what it may say in vain), ``worker`` (one
thread that owns the model, the scheduler and the pool), ``sampling`` (its engine), ``text`` (tokens to characters),
``answers`` (what goes back), ``app`` (the routes), ``origins`` (whose pages may use them), ``metrics`` (what Prometheus
reads, with vLLM's names).

In a chat, what a message holds is text. A control token such as ``<|im_end|>`` that is spelled there is encoded like
any other text, so nobody begins a turn or ends one by writing it; only the chat template does. The prompt of a
completion is all that the model reads, and control tokens in it are control, as in llama.cpp and vLLM: who writes the
template himself needs them. With ``"parse_special": false`` that prompt is text as well. A text with a character that
the model has no token for is refused, never altered.

A web page may use the server if this computer serves it (``localhost``) or if ``lessons serve --origin`` names it;
other pages are refused. Programs are always served: there is no key, so whoever reaches the port may use it.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lessons.errors import LessonError
from lessons.serving.policies import ChunkedPrefill, Continuous

if TYPE_CHECKING:
    from lessons.llm.load import LLM
    from lessons.serving.server.app import Api

NAME = "SmolLM2-135M-Instruct"
POLICIES: dict[str, type[Continuous]] = {"continuous": Continuous, "chunked": ChunkedPrefill}
GRACE = 3  # seconds that open connections get when the server is asked to end


def build(
    llm: LLM, slots: int = 8, blocks: int = 512, policy: str = "continuous", origins: Sequence[str] = ()
) -> Api:
    """Put model, engine, scheduler and routes together.

    Args:
        llm: the loaded model.
        slots: requests that run at a time.
        blocks: of the KV cache, 16 tokens each.
        policy: "continuous" or "chunked".
        origins: whose pages may use the server besides this computer's, such as "https://page.example"; "*" is any.

    Raises:
        LessonError: for an unknown policy, or fewer than one slot or block.
    """
    from lessons.llm.block_pool import BLOCK_SIZE
    from lessons.serving.server.app import Api
    from lessons.serving.server.metrics import ServerMetrics
    from lessons.serving.server.sampling import SamplingEngine
    from lessons.serving.server.worker import Worker

    if policy not in POLICIES:
        raise LessonError(f"policy is {policy!r}; choose one of {', '.join(POLICIES)}")
    most = _most_blocks(llm)
    if not 1 <= blocks <= most:
        raise LessonError(
            f"blocks is {blocks}; the cache needs from 1 to {most}, which are all the memory that there is"
        )
    rules = POLICIES[policy](slots)
    metrics = ServerMetrics(BLOCK_SIZE, blocks)
    worker = Worker(SamplingEngine(llm, blocks), rules, metrics)
    return Api(NAME, llm.tokenizer, worker, metrics, tuple(origins))


def serve(api: Api, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until the process is asked to end (Ctrl-C or SIGTERM).

    Args:
        api: from ``build``.
        host, port: where to listen; port 0 takes a free one.
        ready: called with the address once clients may connect, and a Ctrl-C ends it in order.

    Raises:
        KeyboardInterrupt: after a Ctrl-C, when all has been put away.
        LessonError: when nobody can listen there.
    """
    import asyncio

    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            # At its end uvicorn gives a Ctrl-C back to the handler that it found here: let that be Python's own. Any
            # earlier is too early: a KeyboardInterrupt that is raised in the middle of an import may be lost.
            is_main = threading.current_thread() is threading.main_thread()
            if is_main and callable(signal.getsignal(signal.SIGINT)):
                signal.signal(signal.SIGINT, signal.default_int_handler)
            with super().capture_signals():
                yield

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready(f"http://{at}:{listener.getsockname()[1]}")

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            # The engine ends first: it tells whoever still waits, and their streams then close by themselves.
            await asyncio.to_thread(api.worker.stop)
            await super().shutdown(sockets)

    listener = _listen(host, port)
    _warm_up(api)
    config = uvicorn.Config(
        api.app(), log_level="warning", timeout_graceful_shutdown=GRACE, timeout_keep_alive=60
    )
    at = f"[{host}]" if ":" in host else host
    Server(config).run(sockets=[listener])


def _most_blocks(llm: LLM) -> int:
    """Return how many blocks of the KV cache this process's memory could hold, with nothing else in it."""
    from lessons import topology
    from lessons.llm.block_pool import BLOCK_SIZE

    config = llm.config
    floats = 2 * config.layers * config.kv_heads * config.head_dim * BLOCK_SIZE  # keys and values
    return topology.read().memory // (4 * floats)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Clients that come before the loop runs wait in the backlog.
        return socket.create_server((host, port), family=family, backlog=2048)
    except (
        OSError,
        OverflowError,
        TypeError,
        UnicodeError,
    ) as error:  # the last two for a name that none can have
        raise LessonError(f"cannot listen on {host} port {port} ({error}); choose another") from None


def _warm_up(api: Api) -> None:
    """Run a prompt and a step of decoding, so that the first client does not wait for a compiler."""
    from lessons.serving.engine import run
    from lessons.serving.request import Request

    worker = api.worker
    prompts = [tuple(api.tokenizer.encode(text)) for text in ("One, two, three", "A list of " * 12)]
    fitting = [p for p in prompts if len(p) + 4 <= worker.longest]
    list(run((Request(n, 0.0, len(p), 4, p) for n, p in enumerate(fitting)), worker.scheduler, worker.engine))
    worker.engine.restart()
