"""Prefill on one machine, decoding on another, and the KV cache on its way between them.

Source:
    zhong2024distserve; patel2024splitwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lessons.errors import LessonError
from lessons.serving.costs import StepCost
from lessons.serving.request import Request, State
from lessons.serving.scheduler import Scheduler
from lessons.serving.simulator import simulate


@dataclass(frozen=True)
class Link:
    """What caches travel on, one after another.

    Attributes:
        bandwidth: B/s.
        kv_bytes: bytes of cache a token.
        latency: seconds from the last byte sent to its use.
    """

    bandwidth: float
    kv_bytes: float
    latency: float = 0.0


def transfer(requests: Iterable[Request], link: Link) -> Iterator[Request]:
    """Send the caches of requests over a link, in the order in which they come, and set when they are ready.

    Args:
        requests: each with its first token just written.
        link: the link.
    """
    free = 0.0
    for request in requests:
        free = max(free, request.token_times[-1]) + request.computed * link.kv_bytes / link.bandwidth
        request.ready = free + link.latency
        yield request


def simulate_disaggregated(
    requests: Iterable[Request],
    prefill: tuple[Scheduler, StepCost],
    decode: tuple[Scheduler, StepCost],
    link: Link,
) -> Iterator[Request]:
    """Serve requests on two machines: the first writes each request's first token, the second the others.

    The first never waits for the second, as if the link had room for any number of caches.

    Args:
        requests: in the order of their arrival.
        prefill, decode: a scheduler and the cost of a step for each machine. The first's must have been made with
            ``leave_after=1``.
        link: between them.

    Yields:
        Each request when it has finished; those of one token come last.

    Raises:
        LessonError: when the first scheduler keeps its requests.
    """
    if prefill[0].leave_after != 1:
        raise LessonError(f"leave_after is {prefill[0].leave_after}; a machine for prefill only needs 1")
    of_one_token: list[Request] = []

    def prefilled() -> Iterator[Request]:
        for request in simulate(requests, *prefill):
            if request.state is State.FINISHED:
                of_one_token.append(request)
            else:
                yield request

    yield from simulate(transfer(prefilled(), link), *decode)
    yield from of_one_token
