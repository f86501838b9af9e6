"""KV blocks in use while a test runs: what the server reports, beside what the lengths of its requests predict.

A request of n tokens needs ceil(n / block size) blocks. Who runs is known from outside as soon as the first token has
come; a prompt that the server is still reading holds blocks too, which the prediction leaves out. A server that lets
requests share blocks of equal beginnings reports fewer than predicted.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from lessons.serving.loadtest.scrape import BLOCK_SIZE, BLOCKS, GAUGES, Samples, scrape
from lessons.serving.request import Request

INTERVAL = 0.2  # seconds between two looks


def used_blocks(samples: Samples) -> float | None:
    """Return the blocks in use that a server reports, or None where it does not tell."""
    shares = [samples[name] for names in GAUGES.values() for name in names if name in samples]
    return shares[0] * samples[BLOCKS] if shares and BLOCKS in samples else None


@dataclass
class KVBlocks:
    """The looks at a server during one test.

    Attributes:
        block_size: tokens a block; 0 where the server does not tell.
        looks: moments on the test's clock, with the blocks that the server reported in use.
        requests: prompt tokens of every finished request, with the times of its tokens.
    """

    block_size: int = 0
    looks: list[tuple[float, float]] = field(default_factory=list)
    requests: list[tuple[int, Sequence[float]]] = field(default_factory=list)

    async def watch(self, http: httpx.AsyncClient, now: Callable[[], float]) -> None:
        """Look at the server again and again, until cancelled or until it turns out to tell nothing."""
        while True:
            asked = now()
            samples = await scrape(http)
            used = used_blocks(samples)
            if used is None or BLOCK_SIZE not in samples:
                return
            self.block_size = int(samples[BLOCK_SIZE])
            self.looks.append(((asked + now()) / 2, used))
            await asyncio.sleep(INTERVAL)

    def add(self, request: Request) -> None:
        """Remember a finished request."""
        self.requests.append((request.prompt_tokens, request.token_times))

    def predicted(self, moment: float) -> int:
        """Return the blocks that the requests running at a moment need."""
        blocks = 0
        for prompt_tokens, times in self.requests:
            if times[0] <= moment < times[-1]:
                # The newest token is not in the cache yet: the next step computes its keys and values.
                tokens = prompt_tokens + bisect_right(times, moment) - 1
                blocks += -(-tokens // self.block_size)
        return blocks

    def to_json(self) -> dict[str, float] | None:
        """Return the means and the largest counts over the looks at which something ran; None if there are none."""
        pairs = [(self.predicted(moment), used) for moment, used in self.looks]
        pairs = [pair for pair in pairs if pair[0]]
        if not pairs:
            return None
        predicted, reported = zip(*pairs)
        return {
            "block_size": self.block_size,
            "looks": len(pairs),
            "predicted_mean": sum(predicted) / len(pairs),
            "reported_mean": sum(reported) / len(pairs),
            "predicted_max": max(predicted),
            "reported_max": max(reported),
        }
