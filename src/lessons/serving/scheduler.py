"""The scheduler: before each step it says which requests run, and how many tokens of each.

One class serves every policy and both clocks. It knows requests, counts and a memory of blocks; it does not know
what a step does or how long it takes.

Source:
    Order of a step (those who run, then those who wait), watermark, preemption of the newest, by recomputing or by
    swapping: kwon2023pagedattention, section 4.5, and vLLM's scheduler.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container
from dataclasses import dataclass, field

from lessons.errors import LessonError
from lessons.serving.blocks import Blocks, CountedBlocks
from lessons.serving.policies import Policy
from lessons.serving.request import Request, State

RECOMPUTE, SWAP = "recompute", "swap"
WATERMARK = 0.01  # of all blocks stay free at an admission, so that the others can grow; vLLM's share


@dataclass(slots=True)
class Batch:
    """One step.

    Attributes:
        rows: (request, tokens of it to compute), oldest first.
        swapped: tokens whose keys and values leave or come back before the step.
        preempted: requests that were put back to make room.
    """

    rows: list[tuple[Request, int]] = field(default_factory=list)
    swapped: int = 0
    preempted: int = 0

    def __len__(self) -> int:
        return len(self.rows)


class Scheduler:
    """First come, first served, under a policy and a budget of blocks.

    Args:
        policy: who may join, and how many tokens a step holds.
        blocks: the memory; left out, it has no end.
        preemption: what happens to a request whose blocks are needed: "recompute" drops its keys and values and
            computes them again, "swap" keeps them elsewhere and copies them back.
        leave_after: written tokens after which a request leaves unfinished, for another machine.

    Attributes:
        waiting: not running, in the order in which they will be admitted.
        running: in the order in which they were admitted.

    Raises:
        LessonError: for an unknown kind of preemption.
    """

    def __init__(
        self,
        policy: Policy,
        blocks: Blocks | None = None,
        *,
        preemption: str = RECOMPUTE,
        leave_after: float = math.inf,
    ) -> None:
        if preemption not in (RECOMPUTE, SWAP):
            raise LessonError(f"preemption is {preemption!r}; choose {RECOMPUTE!r} or {SWAP!r}")
        self.policy, self.blocks = policy, CountedBlocks() if blocks is None else blocks
        self.preemption, self.leave_after = preemption, leave_after
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []
        self._watermark = 0 if math.isinf(self.blocks.total) else math.ceil(WATERMARK * self.blocks.total)

    def add(self, request: Request) -> None:
        """Put a request at the end of the queue.

        Raises:
            LessonError: when it could never run, however empty the machine is.
        """
        if request.limit > self.blocks.longest:
            raise LessonError(
                f"request {request.id} may grow to {request.limit} tokens, and the longest that fits has "
                f"{self.blocks.longest}; ask for fewer tokens, or give the cache more blocks"
            )
        self.waiting.append(request)

    def schedule(self, now: float) -> Batch:
        """Return the next step; it is empty when nobody may run at the moment ``now``."""
        batch = Batch()
        budget = self._continue(batch)
        opens = self.policy.opens(now, self.waiting, self.running)
        if opens and not batch.preempted:
            self._admit(batch, budget)
        return batch

    def _continue(self, batch: Batch) -> float:
        """Give those who run their tokens, oldest first; return what is left of the step's budget.

        Only the newest can still have more than one token to compute: it took the rest of a budget when it came.
        """
        budget = self.policy.tokens_a_step
        finished = State.FINISHED  # looked up once, not once a token
        for request in self.running:  # which may lose its newest on the way
            if request.state is finished:  # it holds a slot: a row for nothing
                batch.rows.append((request, 1))
                continue
            grows = request.length > request.capacity
            if grows and not self._make_room(request, batch):
                break  # it was the newest itself, and has left
            tokens = request.length - request.computed
            tokens = tokens if tokens <= budget else int(budget)
            batch.rows.append((request, tokens))
            budget -= tokens
        return budget

    def _make_room(self, request: Request, batch: Batch) -> bool:
        """Find the request a block, at the cost of the newest; tell whether it still runs."""
        while not self.blocks.grow(request):
            newest = self.running.pop()
            batch.preempted += 1
            self._preempt(newest, batch)
            if newest is request:
                return False
        return True

    def _preempt(self, request: Request, batch: Batch) -> None:
        if request.state is State.FINISHED:
            self.blocks.release(request)
            return
        if self.preemption == SWAP:
            batch.swapped += request.computed
            self.blocks.swap_out(request)
        else:
            self.blocks.release(request)
            request.computed = 0
        request.state = State.PREEMPTED
        request.preemptions += 1
        self.waiting.appendleft(request)

    def _admit(self, batch: Batch, budget: float) -> None:
        """Let requests join in their order, as long as there are slots, blocks and tokens of the budget."""
        slots = self.policy.max_batch
        while self.waiting and len(self.running) < slots and budget > 0:
            request = self.waiting[0]
            swapped = request.computed if request.state is State.PREEMPTED else 0
            reserve = self._watermark if self.running else 0
            if not self.blocks.admit(request, reserve):
                break  # nobody overtakes
            self.waiting.popleft()
            self.running.append(request)
            request.state = State.RUNNING
            tokens = int(min(request.length - request.computed, budget))
            batch.rows.append((request, tokens))
            batch.swapped += swapped
            budget -= tokens

    def update(self, batch: Batch, now: float, stopped: Container[int] = ()) -> list[Request]:
        """Count what a step has computed.

        Args:
            batch: the step, from ``schedule``.
            now: when it ended.
            stopped: ids of requests that wrote a stop token.

        Returns:
            Those who finished, or left after ``leave_after`` tokens.
        """
        done = []
        finished, leave_after = State.FINISHED, self.leave_after
        for request, tokens in batch.rows:
            if request.state is finished:
                continue
            request.computed += tokens
            if request.computed < request.length:
                continue  # more of its prompt in the next step
            request.length += 1
            request.token_times.append(now)
            written = request.length - request.prompt_tokens
            if written >= request.max_tokens or request.id in stopped:
                request.state = finished
                done.append(request)
            elif written >= leave_after:
                request.state = State.WAITING
                done.append(request)
        if done or batch.preempted:
            self._leave(done)
        return done

    def _leave(self, done: list[Request]) -> None:
        """Free the slots and blocks of those who are done; where slots are held, when all are."""
        if self.policy.holds_slots:
            if any(request.state is State.RUNNING for request in self.running):
                return
            done = self.running
        for request in done:
            self.blocks.release(request)
        self.running = [request for request in self.running if request.state is State.RUNNING]
