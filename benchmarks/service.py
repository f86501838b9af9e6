"""One side of a comparison between policies: our service on a clock of its own, run step by step.

Two sides then take turns step by step in one process, and a busy neighbour meets both.
"""

from __future__ import annotations

from time import perf_counter

from lessons.llm.load import LLM
from lessons.serving.engine import Engine
from lessons.serving.policies import Policy
from lessons.serving.request import Request
from lessons.serving.scheduler import Scheduler


class Side:
    """A service whose clock stands still while the other side runs.

    Args:
        llm: the model.
        policy: of the scheduler.
        blocks: of the cache; prefixes are not shared, and no answer stops early.

    Attributes:
        seconds: spent in steps so far.
        tokens: written so far.
    """

    def __init__(self, llm: LLM, policy: Policy, blocks: int) -> None:
        self.engine = Engine(llm, blocks, share_prefixes=False, stop=False)
        self.scheduler = Scheduler(policy, self.engine.blocks)
        self.seconds, self.tokens = 0.0, 0

    def add(self, request: Request) -> None:
        """Let a request arrive now."""
        self.scheduler.add(request)

    def step(self) -> bool:
        """Run one step; tell whether there was one."""
        began = perf_counter()
        batch = self.scheduler.schedule(self.seconds)
        if not batch.rows:
            return False
        self.tokens -= sum(request.generated for request, _ in batch.rows)
        stopped = self.engine.run(batch)
        self.scheduler.update(batch, self.seconds + perf_counter() - began, stopped)
        self.tokens += sum(request.generated for request, _ in batch.rows)
        self.seconds += perf_counter() - began
        return True

    @property
    def rate(self) -> float:
        """Tokens a second so far."""
        return self.tokens / self.seconds
