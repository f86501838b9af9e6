"""The engine with what a service adds: each request chooses its tokens in its own way, and may ignore the end."""

from __future__ import annotations

from collections.abc import Container

import torch

from lessons.llm.sampling import Chance, SamplingParams, sample
from lessons.serving.engine import Engine
from lessons.serving.scheduler import Batch


class SamplingEngine(Engine):
    """Runs steps like ``Engine``; requests that were ``arrange``d are drawn, the others are greedy."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._drawn: dict[int, tuple[SamplingParams, Chance]] = {}
        self._endless: set[int] = set()

    def arrange(self, id: int, params: SamplingParams, seed: int | None, ignore_eos: bool) -> None:
        """Say how a request wants its tokens.

        Args:
            id: of the request.
            params: how to choose; greedy needs no chance.
            seed: of its draws, so that they do not depend on who else is in the batch; None for another each time.
            ignore_eos: write on after a stop token.
        """
        if not params.greedy:
            self._drawn[id] = params, Chance.seeded(seed, self.model.device)
        if ignore_eos:
            self._endless.add(id)

    def forget(self, id: int) -> None:
        """Drop what ``arrange`` said of a request."""
        self._drawn.pop(id, None)
        self._endless.discard(id)

    def choose(self, batch: Batch, logits: torch.Tensor) -> list[int]:
        tokens = super().choose(batch, logits)
        for row, (request, n) in enumerate(batch.rows):
            # In the middle of a prompt nothing is drawn: a seed's draws do not depend on how the prompt was cut.
            if request.id in self._drawn and request.computed + n == request.length:
                tokens[row] = sample(logits[row], *self._drawn[request.id])
        return tokens

    def run(self, batch: Batch) -> Container[int]:
        stopped = super().run(batch)
        return {request.id for request, _ in batch.rows if request.id in stopped} - self._endless
