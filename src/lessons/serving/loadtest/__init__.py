"""A load generator for any OpenAI-compatible server: ours, vLLM's, llama.cpp's.

Read in this order: ``prompts`` (what is sent), ``client`` (one request and its times), ``scrape`` (what the server
says), ``kv_blocks`` (its blocks beside ours), ``report`` (the figures). Requests come as a workload says (*open loop*:
a rate, or a trace), or as soon as one of so many clients is free (*closed loop*: a concurrency). An open loop keeps
sending to a server that cannot keep up, as the world does; a closed loop waits for it, and so never shows a queue
longer than its clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import perf_counter

import httpx

from lessons.errors import LessonError
from lessons.serving.loadtest.client import QUIET, Client, RequestFailed
from lessons.serving.loadtest.prompts import Prompts, real_text
from lessons.serving.loadtest.report import Report
from lessons.serving.loadtest.scrape import difference, scrape
from lessons.serving.metrics import SLO
from lessons.serving.request import Request

PROBE = 500  # characters of text by which the server's tokens are measured; a small context takes them too


async def load_test(
    url: str,
    requests: Iterable[Request],
    *,
    concurrency: int | None = None,
    slo: SLO,
    model: str | None = None,
    seed: int = 0,
    ignore_eos: bool = False,
) -> Report:
    """Send requests to a server and measure what its clients see.

    A cancelled test (Ctrl-C) returns what was measured until then.

    Args:
        url: of the server, with or without ``/v1``.
        requests: in the order of their arrival; in a closed loop the arrivals do not matter.
        concurrency: clients of a closed loop; None for an open one.
        slo: what a request may take.
        model: its name; None for the first that the server lists.
        seed: of the prompts.
        ignore_eos: ask for every token.

    Raises:
        LessonError: when the server cannot be reached, or does not answer a first request.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    base = url.rstrip("/").removesuffix("/v1")
    try:
        http = httpx.AsyncClient(base_url=base, timeout=httpx.Timeout(QUIET), limits=limits)
    except httpx.InvalidURL as error:
        raise LessonError(f"{url!r} is no address ({error}); give one like http://127.0.0.1:8000") from None
    began = perf_counter()

    def now() -> float:
        return perf_counter() - began

    async with http:
        client = Client(http, model or await _first_model(http, base), now, ignore_eos)
        prompts = Prompts(await _calibrated(client, base), seed)
        before = await scrape(http)
        report = Report(slo)
        began = perf_counter()
        watching = asyncio.create_task(report.kv_blocks.watch(http, now))
        await _run(_Run(client, prompts, report, now), list(requests), concurrency)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        report.server = difference(before, await scrape(http))
    return report


class _Run:
    """What every request of a test needs."""

    def __init__(self, client: Client, prompts: Prompts, report: Report, now) -> None:
        self.client, self.prompts, self.report, self.now = client, prompts, report, now

    async def send(self, request: Request) -> None:
        """Send one request and count how it ended."""
        try:
            await self.client.complete(request, self.prompts(request))
        except RequestFailed as error:
            self.report.failures[str(error)] += 1
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
        answer = await http.get("/v1/models", timeout=10.0)
        answer.raise_for_status()
        return answer.json()["data"][0]["id"]
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LessonError(f"no server answers at {base} ({type(error).__name__}); start it first") from None
    except (ValueError, LookupError, TypeError):
        raise LessonError(f"{base} lists no models, so it is no OpenAI-compatible server") from None


async def _calibrated(client: Client, base: str) -> float:
    """Return the characters of a token on this server; the request also warms it up."""
    probe = Request(0, 0.0, 1, 2)
    try:
        await client.complete(probe, real_text()[:PROBE])
    except RequestFailed as error:
        raise LessonError(f"{base} did not answer a first request ({error})") from None
    return PROBE / probe.prompt_tokens if probe.prompt_tokens > 1 else 4.0  # 4 where it does not count them
