"""The engine thread: the only one that touches the model, the scheduler and the pool.

Others put calls into its inbox. Tokens leave through one callback a step, so that a batch of 64 wakes the event loop
once and not 64 times.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from lessons.errors import LessonError
from lessons.llm.sampling import SamplingParams
from lessons.serving.policies import Continuous
from lessons.serving.request import Request, State
from lessons.serving.scheduler import Batch, Scheduler
from lessons.serving.server.metrics import ServerMetrics
from lessons.serving.server.sampling import SamplingEngine

log = logging.getLogger("lessons.serve")


@dataclass(frozen=True)
class Output:
    """What a step gave one request.

    Attributes:
        token: the new token; None when there is none.
        finish_reason: "stop" or "length" with the last token.
        error: why the request ends without an answer.
    """

    token: int | None = None
    finish_reason: str | None = None
    error: str | None = None


@dataclass(eq=False)
class Job:
    """A request on its way through the worker.

    Attributes:
        request: for the scheduler.
        params, seed, ignore_eos: see ``SamplingEngine.arrange``.
        inbox: where its owner waits for outputs; the worker only hands it on.
        sent: tokens that were delivered.
    """

    request: Request
    params: SamplingParams
    seed: int | None
    ignore_eos: bool
    inbox: Any
    sent: int = 0


Deliver = Callable[[list[tuple[Job, Output]]], None]


class Worker:
    """Runs steps in a thread of its own for as long as there is someone to serve.

    Args:
        engine: with the model and the pool.
        policy: continuous or chunked.
        metrics: told of everything that happens.
    """

    def __init__(self, engine: SamplingEngine, policy: Continuous, metrics: ServerMetrics) -> None:
        self.engine, self.metrics = engine, metrics
        self.scheduler = Scheduler(policy, engine.blocks)
        self._ids = itertools.count()
        self._jobs: dict[int, Job] = {}
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._stopping = False
        self._gate = Lock()  # held while the inbox gets a request, and while it closes
        self._closed = True
        self._thread: Thread | None = None
        self._report()

    @property
    def longest(self) -> int:
        """Tokens of the longest request that can run, prompt and answer together."""
        return int(self.engine.blocks.longest)

    @property
    def alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, deliver: Deliver) -> None:
        """Start the thread.

        Args:
            deliver: called in the thread after each step with the outputs of all its requests.
        """
        self._deliver = deliver
        self._closed = False
        self._thread = Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the current step; who still waits gets an error."""
        self._inbox.put(partial(setattr, self, "_stopping", True))
        if self._thread is not None:
            self._thread.join()

    def submit(
        self,
        prompt_ids: tuple[int, ...],
        max_tokens: int,
        params: SamplingParams,
        seed: int | None,
        ignore_eos: bool,
        inbox: Any,
    ) -> Job:
        """Queue a request and return at once.

        Args:
            prompt_ids: the prompt's tokens.
            max_tokens: the most tokens to write.
            params, seed, ignore_eos: see ``SamplingEngine.arrange``.
            inbox: kept in the job for the one who delivers.

        Raises:
            LessonError: when the engine has stopped and takes in nothing more.
        """
        request = Request(next(self._ids), self.engine.now(), len(prompt_ids), max_tokens, prompt_ids)
        job = Job(request, params, seed, ignore_eos, inbox)
        with self._gate:
            if self._closed:
                raise LessonError("the engine has stopped; start the server again")
            self._inbox.put(partial(self._add, job))
        return job

    def cancel(self, job: Job, reason: str = "abort") -> None:
        """Take a request out and free its blocks, wherever it is; nothing happens where it has ended.

        Args:
            job: from ``submit``.
            reason: for the metrics: "abort" when its client left, "stop" when its text has all it needs.
        """
        self._inbox.put(partial(self._cancel, job, reason))

    def _work(self) -> None:
        try:
            while not self._stopping:
                self._take_in()
                self._step()
                self._report()
        finally:
            with self._gate:  # what came before this moment is in the inbox; what comes later is refused
                self._closed = True
            self._drain()
            self._deliver([(job, Output(error="the engine has stopped")) for job in self._jobs.values()])

    def _take_in(self) -> None:
        """Do what the inbox asks for; sleep while it is empty and nobody is served."""
        if not self._jobs:
            self._inbox.get()()
        self._drain()

    def _drain(self) -> None:
        while True:
            try:
                self._inbox.get_nowait()()
            except Empty:
                return

    def _step(self) -> None:
        batch = Batch()
        try:
            batch = self.scheduler.schedule(self.engine.now())
            if not batch.rows:
                return
            stopped = self.engine.run(batch)
            self.scheduler.update(batch, self.engine.now(), stopped)
        except Exception as error:  # whatever it is, the service goes on with the next step
            log.exception("a step of %d requests failed", len(batch.rows))
            hit = [self._jobs[r.id] for r, _ in batch.rows] or list(self._jobs.values())
            self._fail(hit, f"the model call failed: {error}")
            return
        self.metrics.step(self.engine.steps.pop(), batch)
        self._deliver([pair for request, _ in batch.rows for pair in self._outputs(self._jobs[request.id])])

    def _outputs(self, job: Job) -> list[tuple[Job, Output]]:
        """Return what the step wrote for one request: a token, or nothing in the middle of a prompt."""
        request = job.request
        new = request.output_ids[job.sent :]
        reason = None
        if new:
            job.sent += 1
            self.metrics.token(request)
        if request.state is State.FINISHED:
            stopped = request.output_ids[-1] in self.engine.stop_ids and not job.ignore_eos
            reason = "stop" if stopped else "length"
            self.metrics.finished(request, reason)
            self._forget(job)
        return [(job, Output(token, reason)) for token in new]

    def _add(self, job: Job) -> None:
        id = job.request.id
        try:
            self.engine.arrange(id, job.params, job.seed, job.ignore_eos)
            self.scheduler.add(job.request)  # last: where it fails, the scheduler has not got the request
        except Exception as error:  # whatever it is, the service goes on with the others
            self.engine.forget(id)
            message = str(error)
            if not isinstance(error, LessonError):  # the server's fault and not the request's
                log.exception("taking in request %d failed", id)
                self.metrics.finished(job.request, "error")
                message = f"the request could not be taken in: {error}"
            self._deliver([(job, Output(error=message))])
            return
        self._jobs[id] = job

    def _cancel(self, job: Job, reason: str) -> None:
        if job.request.id in self._jobs:
            self._remove(job)
            self.metrics.finished(job.request, reason)

    def _fail(self, jobs: list[Job], message: str) -> None:
        for job in jobs:
            self._remove(job)
            self.metrics.finished(job.request, "error")
        self._deliver([(job, Output(error=message)) for job in jobs])

    def _remove(self, job: Job) -> None:
        """Take an unfinished request out of the scheduler and give its blocks back."""
        if job.request.state is State.RUNNING:
            self.scheduler.running.remove(job.request)
            self.engine.blocks.release(job.request)
        else:
            self.scheduler.waiting.remove(job.request)
        self._forget(job)

    def _forget(self, job: Job) -> None:
        del self._jobs[job.request.id]
        self.engine.forget(job.request.id)

    def _report(self) -> None:
        blocks = self.engine.blocks
        self.metrics.state(
            len(self.scheduler.running), len(self.scheduler.waiting), blocks.total, blocks.free
        )
