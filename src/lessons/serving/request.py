"""One request: what it asks for, how far it is, and when each of its tokens came."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from lessons.errors import LessonError


class State(Enum):
    """Where a request is in its life."""

    WAITING = "waiting"  # not begun here
    RUNNING = "running"
    PREEMPTED = "preempted"  # put back into the queue, since its blocks were needed
    FINISHED = "finished"


@dataclass(slots=True, eq=False)
class Request:
    """One request and its progress. The scheduler alone changes it.

    Attributes:
        id: its number, unique in a run.
        arrival: seconds on the run's clock.
        prompt_tokens: length of the prompt.
        max_tokens: tokens it writes; a stop token may end it sooner on the real model.
        prompt_ids: the prompt's tokens; None where only its length matters.
        output_ids: the tokens written so far, on the real model.
        state: see ``State``.
        ready: the moment from which it may be scheduled: its arrival, or when its cache came from elsewhere.
        length: tokens known: the prompt and what was written.
        computed: tokens whose keys and values are in the cache. A step computes some of the ``length - computed``
            others; when none is left, the step has also given the next token.
        capacity: tokens for which it holds blocks.
        token_times: when each written token came, seconds.
        preemptions: how often it was put back.
    """

    id: int
    arrival: float
    prompt_tokens: int
    max_tokens: int
    prompt_ids: tuple[int, ...] | None = None
    output_ids: list[int] = field(default_factory=list)
    state: State = State.WAITING
    ready: float = 0.0
    length: int = 0
    computed: int = 0
    capacity: int = 0
    token_times: list[float] = field(default_factory=list)
    preemptions: int = 0

    def __post_init__(self) -> None:
        if self.prompt_ids is not None and len(self.prompt_ids) != self.prompt_tokens:
            raise LessonError(
                f"request {self.id} has {len(self.prompt_ids)} prompt_ids and says prompt_tokens is "
                f"{self.prompt_tokens}; make them equal"
            )
        if self.prompt_tokens < 1 or self.max_tokens < 1:
            raise LessonError(
                f"request {self.id} has {self.prompt_tokens} prompt tokens and writes {self.max_tokens}; "
                "both must be 1 or more"
            )
        self.ready, self.length = self.arrival, self.prompt_tokens

    @property
    def generated(self) -> int:
        """Tokens written so far."""
        return self.length - self.prompt_tokens

    @property
    def limit(self) -> int:
        """Its length when it has written all it may."""
        return self.prompt_tokens + self.max_tokens

    @property
    def token_ids(self) -> list[int]:
        """The prompt and what was written, on the real model."""
        return [*(self.prompt_ids or ()), *self.output_ids]
