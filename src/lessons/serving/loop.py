"""The loop of a service: take in who arrived, schedule, run a step, count. On a real or a simulated clock."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator
from typing import Protocol

from lessons.errors import LessonError
from lessons.serving.request import Request
from lessons.serving.scheduler import Batch, Scheduler


class Executor(Protocol):
    """What runs the steps, and the clock they run on."""

    def now(self) -> float:
        """Return the seconds since the run began."""

    def wait_until(self, moment: float) -> None:
        """Let the time pass, since there is nothing to do."""

    def run(self, batch: Batch) -> Container[int]:
        """Run one step and return the ids of requests that wrote a stop token."""


def serve(requests: Iterable[Request], scheduler: Scheduler, executor: Executor) -> Iterator[Request]:
    """Serve all requests and yield each when it has finished.

    Args:
        requests: in the order of their ``ready`` times; they are taken when their time has come.
        scheduler: decides each step.
        executor: runs it.

    Raises:
        LessonError: for a request that could never run, or that comes before its predecessor.
    """
    coming = iter(requests)
    upcoming = next(coming, None)
    while True:
        now = executor.now()
        while upcoming is not None and upcoming.ready <= now:
            scheduler.add(upcoming)
            last, upcoming = upcoming, next(coming, None)
            if upcoming is not None and upcoming.ready < last.ready:
                raise LessonError(f"request {upcoming.id} comes before {last.id}; sort requests by arrival")
        batch = scheduler.schedule(now)
        if batch.rows:
            stopped = executor.run(batch)
            yield from scheduler.update(batch, executor.now(), stopped)
            continue
        # Nobody can run: until someone comes, or the policy has waited long enough.
        moment = math.inf if upcoming is None else upcoming.ready
        if scheduler.waiting:
            moment = min(moment, scheduler.policy.opens_at(scheduler.waiting))
        if moment == math.inf:
            return
        executor.wait_until(moment)
