"""What becomes of cache memory under load: three reservation policies in a buddy allocator, and paging.

Time goes in decode steps. Requests wait in one queue and enter in order, as soon as the first of them gets its
memory; in each step every running request stores one more token. The shares are of the whole memory, from the
first step in which a request has to wait to the step in which the last one enters: a system under full load.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from lessons.allocators.buddy import BuddyAllocator
from lessons.formulas.paging import blocks, buddy, reservation

SLOTS = (
    16384  # tokens: the power of two next to the 15.7 thousand of OPT-13B on a 40 GB card (paper, Table 1)
)


@dataclass(frozen=True)
class Usage:
    """Where the memory's slots were, as shares of all slot-steps; they add up to 1.

    Attributes:
        used: hold a token's state.
        reserved: will be filled by their request in a later step.
        internal: belong to a request that will never fill them.
        rounding: were added by the buddy allocator to reach a power of two.
        free: belong to nobody, because no waiting request fits there.
        batch: running requests, on average.
        preempted: how often a running request was thrown out to be computed again.
        recomputed: tokens that those requests had stored, which is what has to be computed again.
    """

    used: float
    reserved: float
    internal: float
    rounding: float
    free: float
    batch: float
    preempted: int = 0
    recomputed: int = 0


@dataclass
class _Running:
    prompt: int
    output: int
    step: int = 0
    start: int = 0  # the first slot of a reservation
    slots: int = 0  # what was reserved, before rounding

    @property
    def stored(self) -> int:
        return self.prompt + self.step

    @property
    def final(self) -> int:
        return self.prompt + self.output - 1  # the last token written is never fed back


def reserve(
    requests: Sequence[tuple[int, int]], policy: str, slots: int = SLOTS, max_length: int = 2048
) -> Usage:
    """Run the requests with contiguous reservations in a buddy allocator of ``slots`` token slots.

    Args:
        requests: (prompt, output) lengths in tokens.
        policy: "max", "pow2" or "oracle"; see ``formulas.paging.reservation``.
        slots: the memory; a power of two that holds the longest request.
        max_length: the longest sequence in tokens.

    Raises:
        ValueError: for an unknown policy, a request that is too long, or too few requests to fill the memory.

    Source:
        kwon2023pagedattention, section 6.1: the Orca baselines under a buddy allocator.
    """
    memory = BuddyAllocator(slots)
    waiting = deque(_Running(p, o, slots=reservation(p, o, policy, max_length)) for p, o in requests)
    running: list[_Running] = []
    tally = _Tally(slots)
    while waiting:
        while waiting:
            start = memory.allocate(waiting[0].slots)
            if start is None:
                break
            waiting[0].start = start
            running.append(waiting.popleft())
        if not waiting:
            break
        rounding = sum(buddy(r.slots) - r.slots for r in running)
        tally.add(running, internal=sum(r.slots - r.final for r in running), rounding=rounding)
        for r in _finished(running):
            memory.free(r.start)
    return tally.usage()


def page(requests: Sequence[tuple[int, int]], block_size: int = 16, slots: int = SLOTS) -> Usage:
    """Run the requests with paging: a block at a time, wherever one is free.

    Where no block is left, the newest request is preempted: it gives all its blocks back and goes to the head of
    the queue, to compute its tokens again. That takes no time here: a step is a step, however many tokens are
    computed in it.

    Args:
        requests: (prompt, output) lengths in tokens.
        block_size: tokens a block.
        slots: the memory in token slots.

    Raises:
        ValueError: when the memory cannot hold the longest request, or too few requests wait to fill it.

    Source:
        kwon2023pagedattention, sections 4.3 and 4.5.
    """
    total = slots // block_size
    longest = max(p + o for p, o in requests)
    if blocks(longest, block_size) > total:
        raise ValueError(f"{slots} slots do not hold a request of {longest} tokens; give more slots")
    waiting = deque(_Running(p, o) for p, o in requests)
    running: list[_Running] = []
    tally = _Tally(slots)
    preempted = recomputed = 0

    def taken() -> int:
        return sum(blocks(r.stored, block_size) for r in running)

    while waiting:
        # A request enters with its prompt and one block to grow, as vLLM keeps a watermark.
        while waiting and taken() + blocks(waiting[0].stored, block_size) < total:
            running.append(waiting.popleft())
        if not waiting:
            break
        internal = 0
        for r in running:
            have = blocks(r.stored, block_size) * block_size
            internal += max(0, have - r.final)
        tally.add(running, internal=internal, rounding=0, blocks_taken=taken() * block_size)
        _finished(running)
        while taken() > total:
            recomputed += running[-1].stored
            waiting.appendleft(running.pop())
            preempted += 1
    return tally.usage(preempted, recomputed)


def _finished(running: list[_Running]) -> list[_Running]:
    """Let every request store one more token; take out those that are done and return them."""
    for r in running:
        r.step += 1
    done = [r for r in running if r.step == r.output]
    running[:] = [r for r in running if r.step < r.output]
    return done


class _Tally:
    """Sums slot-steps by what they are for."""

    def __init__(self, slots: int) -> None:
        self.slots, self.steps, self.requests = slots, 0, 0
        self.used = self.reserved = self.internal = self.rounding = 0

    def add(
        self, running: list[_Running], internal: int, rounding: int, blocks_taken: int | None = None
    ) -> None:
        """Count one step. What is allocated but neither used, internal nor rounding is reserved."""
        used = sum(r.stored for r in running)
        own = sum(r.final - r.stored for r in running)
        reserved = own if blocks_taken is None else blocks_taken - used - internal
        self.steps += 1
        self.requests += len(running)
        self.used += used
        self.reserved += reserved
        self.internal += internal
        self.rounding += rounding

    def usage(self, preempted: int = 0, recomputed: int = 0) -> Usage:
        if not self.steps:
            raise ValueError(f"no request ever waited for the {self.slots} slots; give more requests")
        whole = self.slots * self.steps
        used, reserved, internal, rounding = (
            x / whole for x in (self.used, self.reserved, self.internal, self.rounding)
        )
        free = 1 - used - reserved - internal - rounding
        return Usage(
            used, reserved, internal, rounding, free, self.requests / self.steps, preempted, recomputed
        )
