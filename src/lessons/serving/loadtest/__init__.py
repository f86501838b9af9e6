"""A load generator for any OpenAI-compatible server: ours, vLLM's, llama.cpp's.

Read in this order: ``connection`` (the way to the server), ``prompts`` (what is sent), ``events`` (what comes back),
``client`` (one request and its times), ``scrape`` (what the server says), ``kv_blocks`` (its blocks beside ours),
``report`` (the figures). Nothing that a server sends is believed before it is looked at: a request that is answered
oddly has failed, with its reason, and the others are measured.

Requests come as a workload says (*open loop*: a rate, or a trace), or as soon as one of so many clients is free
(*closed loop*: a concurrency). An open loop keeps sending to a server that cannot keep up, as the world does; a closed
loop waits for it, and so never shows a queue longer than its clients.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterable
from time import perf_counter

import httpx

from lessons.errors import LessonError
from lessons.serving.loadtest.client import MOST_TOKENS, Client, Refused
from lessons.serving.loadtest.connection import Unreachable, ask, checked, connect
from lessons.serving.loadtest.events import RequestFailed
from lessons.serving.loadtest.prompts import WORDS, Prompts, Words
from lessons.serving.loadtest.report import Report
from lessons.serving.loadtest.scrape import difference, scrape
from lessons.serving.loadtest.words import refusal, shown
from lessons.serving.metrics import SLO
from lessons.serving.request import Request

LONGEST = 7 * 86400.0  # seconds from the first request to the last
REMEDY = dict.fromkeys((401, 403), "; give its key with --api-key or OPENAI_API_KEY")


async def load_test(
    url: str,
    requests: Iterable[Request],
    *,
    concurrency: int | None = None,
    slo: SLO,
    model: str | None = None,
    seed: int = 0,
    ignore_eos: bool = False,
    key: str | None = None,
) -> Report:
    """Send requests to a server and measure what its clients see.

    A cancelled test (Ctrl-C) returns what was measured until then.

    Args:
        url: of the server, with or without ``/v1``.
        requests: in any order. The first is sent at once and the others as much later as they arrive after it; in a
            closed loop the arrivals do not matter.
        concurrency: clients of a closed loop; None for an open one.
        slo: what a request may take.
        model: its name; None for the first that the server lists.
        seed: of the prompts.
        ignore_eos: ask for every token.
        key: that the server wants to see. No message shows it.

    Raises:
        LessonError: when the requests cannot be sent as they are, the server cannot be reached, or it does not take
            a first request.
    """
    planned = _planned(requests, open_loop=concurrency is None)
    address = checked(url)
    base = str(address.copy_with(userinfo=b""))
    began = perf_counter()

    def now() -> float:
        return perf_counter() - began

    async with connect(address, key) as http:
        try:
            client = Client(http, model or await _first_model(http, base), now, ignore_eos)
            prompts = Prompts(await _counted(client, base), seed)
        except LessonError as error:
            raise LessonError(shown(str(error), key)) from None
        before = await scrape(http)
        report = Report(slo)
        began = perf_counter()
        watching = asyncio.create_task(report.kv_blocks.watch(http, now))
        await _run(_Run(client, prompts, report, now, key), planned, concurrency)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        report.server = difference(before, await scrape(http))
    return report


def _planned(requests: Iterable[Request], open_loop: bool) -> list[Request]:
    """Return requests in the order of their arrival, counted from the first.

    Raises:
        LessonError: when one of them could never be sent.
    """
    planned = list(requests)
    for request in planned:
        if not math.isfinite(request.arrival):
            raise LessonError(f"request {request.id} arrives at {request.arrival}; give a number of seconds")
        if max(request.prompt_tokens, request.max_tokens) > MOST_TOKENS:
            raise LessonError(
                f"request {request.id} has {request.prompt_tokens} prompt tokens and writes {request.max_tokens}; "
                f"no server takes more than {MOST_TOKENS}, so give it fewer"
            )
    planned.sort(key=lambda request: request.arrival)
    first = planned[0].arrival if planned else 0.0
    for request in planned:
        request.arrival -= first
    if open_loop and planned and planned[-1].arrival > LONGEST:
        raise LessonError(
            f"the last request comes {planned[-1].arrival:g} s after the first, and a test may take {LONGEST:g} s; "
            "give arrivals in seconds, or a higher rate"
        )
    return planned


class _Run:
    """What every request of a test needs."""

    def __init__(self, client: Client, prompts: Prompts, report: Report, now, key: str | None) -> None:
        self.client, self.prompts, self.report, self.now, self.key = client, prompts, report, now, key

    async def send(self, request: Request) -> None:
        """Send one request and count how it ended."""
        try:
            await self.client.complete(request, self.prompts(request))
        except RequestFailed as error:
            self.report.fail(shown(str(error), self.key))
            return
        self.report.add(request)


async def _run(run: _Run, requests: list[Request], concurrency: int | None) -> None:
    tasks: list[asyncio.Task[None]] = []
    try:
        if concurrency is None:
            async for request in _arriving(requests, run):
                tasks.append(asyncio.create_task(run.send(request)))
        else:
            queue = iter(requests)
            tasks += [asyncio.create_task(_one_by_one(queue, run)) for _ in range(concurrency)]
        await asyncio.gather(*tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        ended = len(run.report.metrics) + run.report.failures.total()
        run.report.unfinished = len(requests) - ended


async def _arriving(requests: Iterable[Request], run: _Run) -> AsyncIterator[Request]:
    """Yield each request at its time.

    Its arrival stays the planned one: when this process is late itself, the wait is part of TTFT and not hidden.
    """
    for request in requests:
        await asyncio.sleep(max(0.0, request.arrival - run.now()))
        yield request


async def _one_by_one(queue: Iterable[Request], run: _Run) -> None:
    for request in queue:  # shared: each client takes the next when it is free
        request.arrival = run.now()
        await run.send(request)


async def _first_model(http: httpx.AsyncClient, base: str) -> str:
    try:
        answer = await ask(http, "/v1/models")
    except Unreachable as error:
        raise LessonError(f"no server answers at {base} ({error}); start it first") from None
    if 300 <= answer.status < 400 and answer.location:
        raise LessonError(
            f"{base} sends its clients on to {answer.location} (HTTP {answer.status}); give that address"
        )
    if answer.status != 200:
        raise LessonError(
            f"{base}/v1/models answers {refusal(answer.status, answer.body)}{REMEDY.get(answer.status, '')}"
        )
    try:
        name = json.loads(answer.body)["data"][0]["id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        name = None
    if not isinstance(name, str):
        raise LessonError(
            f"{base} lists no models; give the address of an OpenAI-compatible server, or --model"
        )
    return name


async def _counted(client: Client, base: str) -> Words:
    """Return how the server counts words; the requests also warm it up.

    One that cannot be measured, since its first answers are odd, is taken to count a token a word.
    """
    counts = []
    for prompt in (WORDS[0], " ".join(WORDS)):
        probe = Request(0, 0.0, 1, 2)
        try:
            await client.complete(probe, prompt)
        except Refused as error:
            raise LessonError(f"{base} did not answer a first request ({error})") from None
        except RequestFailed:
            return Words()
        counts.append(probe.prompt_tokens)
    return Words.counted(*counts)
