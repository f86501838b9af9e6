"""Prompts of 1,000 tokens arrive while eight answers are being written: computed in chunks, against at once.

What is compared is the 99th percentile of the gaps between two tokens of those who write. ``throughput`` is the
rate of all tokens with chunks over that without; both sides do the same work. Packed weights, int8 activations, one
thread; the sides take turns step by step, each on a clock of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import common
import numba
import numpy as np
import torch
from service import Side

from lessons.llm.load import LLM, load
from lessons.measure.stats import median
from lessons.serving.policies import ChunkedPrefill, Continuous, Policy
from lessons.serving.request import Request

THREADS = 1
WRITERS, QUESTION, ANSWER = 8, 4, 160
PROMPT = 1000
ARRIVALS = (40, 80, 120)  # tokens of each writer's answer after which a long prompt arrives
BUDGET = 64  # tokens a step, in chunks
BLOCKS, ROUNDS = 320, 3
END = object()
SEED = 20240304  # the day on which the paper on chunked prefill was published


class Service:
    """A side with its writers and the long prompts to come."""

    def __init__(self, llm: LLM, policy: Policy) -> None:
        self.side, draw, vocab = Side(llm, policy, BLOCKS), Random(SEED), llm.config.vocab

        def request(number: int, prompt: int, answer: int) -> Request:
            return Request(number, 0.0, prompt, answer, tuple(draw.choices(range(vocab), k=prompt)))

        self.writers = [request(i, QUESTION, ANSWER) for i in range(WRITERS)]
        self.coming = [(WRITERS * at, request(at + WRITERS, PROMPT, 1)) for at in ARRIVALS]
        for writer in self.writers:
            self.side.add(writer)

    def steps(self) -> Iterator[None]:
        """Run to the end, and yield after each step."""
        while self.side.step():
            if self.coming and self.side.tokens >= self.coming[0][0]:
                self.side.add(self.coming.pop(0)[1])
            yield

    def gap(self) -> float:
        """Return the 99th percentile of the seconds between two tokens."""
        return float(np.percentile(np.concatenate([np.diff(w.token_times) for w in self.writers]), 99))


def one_round(llm: LLM) -> list[Service]:
    """Serve the same with chunks, whole, and whole again, step by step in turn."""
    policies = (
        ChunkedPrefill(WRITERS + 1, token_budget=BUDGET),
        Continuous(WRITERS + 1),
        Continuous(WRITERS + 1),
    )
    services = [Service(llm, policy) for policy in policies]
    running = [service.steps() for service in services]
    while running:
        running = [steps for steps in running if next(steps, END) is not END]
    return services


def measure_once() -> common.Record:
    """Serve in one process: in chunks, whole, and whole again as the guard."""
    torch.set_num_threads(THREADS)
    numba.set_num_threads(THREADS)
    llm = load("packed", activations="int8")
    one_round(llm)  # compiles what it needs
    rounds = [one_round(llm) for _ in range(ROUNDS)]
    chunked, whole, again = ([service.gap() for service in side] for side in zip(*rounds))
    ratios = sorted((a + b) / (2 * c) for c, a, b in zip(chunked, whole, again))
    seconds = [[service.side.seconds for service in one] for one in rounds]
    return {
        "ratio": median(ratios),
        "low": ratios[0],
        "high": ratios[-1],
        "ours": median(chunked),
        "peer": median([*whole, *again]),
        "unit": "s",
        "threads": THREADS,
        "guard": median([a / b for a, b in zip(whole, again)]),
        "throughput": median([(a + b) / (2 * c) for c, a, b in seconds]),
    }


if __name__ == "__main__":
    common.main(measure_once, bar=2.5, other_bars={"throughput": 0.95})
