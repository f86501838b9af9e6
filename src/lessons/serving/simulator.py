"""The service on a simulated clock: the same scheduler, and steps that only take the time they would take."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from lessons.serving.costs import StepCost, work
from lessons.serving.loop import serve
from lessons.serving.request import Request
from lessons.serving.scheduler import Batch, Scheduler


class Simulator:
    """Runs steps by adding their cost to its clock.

    Args:
        cost: seconds of a step.

    Attributes:
        steps: how many were run.
        busy: seconds spent in them.
    """

    def __init__(self, cost: StepCost) -> None:
        self.cost = cost
        self.steps = 0
        self.busy = 0.0
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def wait_until(self, moment: float) -> None:
        self._now = moment

    def run(self, batch: Batch) -> Container[int]:
        seconds = self.cost(work(batch))
        self.steps += 1
        self.busy += seconds
        self._now += seconds
        return ()


def simulate(requests: Iterable[Request], scheduler: Scheduler, cost: StepCost) -> Iterator[Request]:
    """Serve requests on a simulated clock and yield each when it has finished.

    Time and memory grow with the tokens written, not with the length of the queue. A request that has been yielded
    is not kept.

    Args:
        requests: in the order of their arrival.
        scheduler: an unused one; its memory is ``CountedBlocks``.
        cost: seconds of a step.
    """
    return serve(requests, scheduler, Simulator(cost))
