"""Who may join the batch, and how many tokens a step may hold: the policies, each in a few lines.

A policy answers two questions. ``opens``: may waiting requests join now? ``token_budget``: how many tokens may one
step compute? The rest (first come first served, blocks, preemption) is the same for all: see ``scheduler``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lessons.errors import LessonError
from lessons.serving.request import Request

Requests = Sequence[Request]


@dataclass(frozen=True)
class Policy:
    """What all policies have.

    Attributes:
        max_batch: slots: requests that run at a time (vLLM's ``max_num_seqs``).
    """

    max_batch: int

    holds_slots = (
        False  # does a finished request keep its slot, and its row of the batch, until all have finished?
    )

    def __post_init__(self) -> None:
        if self.max_batch < 1:
            raise LessonError(f"max_batch is {self.max_batch}; a scheduler needs 1 slot or more")

    @property
    def tokens_a_step(self) -> float:
        """The most tokens one step computes (vLLM's ``max_num_batched_tokens``)."""
        return math.inf

    def opens(self, now: float, waiting: Requests, running: Requests) -> bool:
        """Tell whether waiting requests may join the batch at this moment."""
        raise NotImplementedError

    def opens_at(self, waiting: Requests) -> float:
        """Return when ``opens`` may change its answer with no one arriving and no one running."""
        return math.inf


@dataclass(frozen=True)
class Static(Policy):
    """A batch is filled with who waits, and runs until its longest answer ends.

    The batch is a rectangle: the row of a finished request is computed until the end, for nothing.
    """

    holds_slots = True

    def opens(self, now: float, waiting: Requests, running: Requests) -> bool:
        return not running


@dataclass(frozen=True)
class Dynamic(Static):
    """Static, but an empty machine waits for company: until the batch is full or the oldest waited ``delay`` s.

    Source:
        nvidia2025tritonbatcher (``max_queue_delay_microseconds``; its default is 0).
    """

    delay: float = 0.0

    def opens(self, now: float, waiting: Requests, running: Requests) -> bool:
        if running or not waiting:
            return False
        return len(waiting) >= self.max_batch or now >= self.opens_at(waiting)

    def opens_at(self, waiting: Requests) -> float:
        return waiting[0].ready + self.delay


@dataclass(frozen=True)
class Continuous(Policy):
    """Whoever waits joins at the next step, and whoever has finished leaves: scheduling by iteration.

    A prompt is computed whole, in one step, and everyone else waits for that step.

    Source:
        yu2022orca, section 3.
    """

    def opens(self, now: float, waiting: Requests, running: Requests) -> bool:
        return True


@dataclass(frozen=True)
class ChunkedPrefill(Continuous):
    """Continuous, with no more than ``token_budget`` tokens a step: those who write first, then a piece of prompt.

    Source:
        agrawal2024sarathi, section 4.
    """

    token_budget: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.token_budget < self.max_batch:
            raise LessonError(
                f"token_budget is {self.token_budget}; it must be {self.max_batch} or more, a token for each slot"
            )

    @property
    def tokens_a_step(self) -> float:
        return self.token_budget
