"""Continuous against static batching on our own engine, with 8 slots and one mix of answers.

Packed weights, int8 activations, one thread. The answers are the quantiles of a log-normal distribution, in an order
fixed before the first run. A prompt has 2 tokens, so that a step has 8 to 16 rows, which is one compiled pass, and
both sides pay nearly the same for it: what is left is how full the slots are. The sides take turns step by step.
The static side serves the mix once, the continuous side again and again until the static one is through; either has
a queue that never runs dry. `predicted` is known before anything runs: the steps of the static batches, each as
long as its longest answer, over the steps of full slots. `expected` is the same for the mix in any order, from
lessons.formulas.batching.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import cycle
from math import exp
from random import Random
from statistics import NormalDist

import common
import numba
import torch
from service import Side

from lessons.formulas.batching import static_utilization
from lessons.llm.load import LLM, load
from lessons.serving.policies import Continuous, Static
from lessons.serving.request import Request

THREADS = 1
SLOTS, REQUESTS, PROMPT = 8, 96, 2
MEDIAN, SIGMA = 16, 1.0  # of the answers' log-normal distribution, tokens
BLOCKS = 200
SEED = 20220711  # the first day of the conference at which continuous batching was published


def answers() -> list[int]:
    """Return the lengths of the answers in the order in which they are asked for."""
    normal = NormalDist(0, SIGMA)
    lengths = [round(MEDIAN * exp(normal.inv_cdf((i + 0.5) / REQUESTS))) for i in range(REQUESTS)]
    Random(SEED).shuffle(lengths)
    return [max(1, length) for length in lengths]


def requests(lengths: Iterable[int], vocab: int) -> Iterator[Request]:
    draw = Random(SEED)
    for number, length in enumerate(lengths):
        yield Request(number, 0.0, PROMPT, length, tuple(draw.choices(range(vocab), k=PROMPT)))


def step(side: Side, coming: Iterator[Request]) -> bool:
    """Run one step with a queue that is full as long as anyone comes; tell whether there was one."""
    while len(side.scheduler.waiting) < SLOTS and (request := next(coming, None)) is not None:
        side.add(request)
    return side.step()


def compile_passes(llm: LLM) -> None:
    """Run a pass of each number of rows that a step can have: it is compiled at its first use."""
    for prompts in range(SLOTS + 1):
        tokens = [torch.ones(PROMPT if i < prompts else 1, dtype=torch.int64) for i in range(SLOTS)]
        llm.model.forward_batch(tokens, [llm.new_cache(PROMPT) for _ in tokens], last_only=True)


def measure_once() -> common.Record:
    """Serve in one process: continuous, static, and static again as the guard."""
    torch.set_num_threads(THREADS)
    numba.set_num_threads(THREADS)
    llm = load("packed", activations="int8")
    lengths = answers()
    compile_passes(llm)
    vocab = llm.config.vocab
    ours, queue = Side(llm, Continuous(SLOTS), BLOCKS), requests(cycle(lengths), vocab)
    first, second = (Side(llm, Static(SLOTS), BLOCKS) for _ in range(2))
    first_queue, second_queue = (requests(lengths, vocab) for _ in range(2))
    while step(first, first_queue):
        step(ours, queue)
        step(second, second_queue)
    peer = (first.tokens + second.tokens) / (first.seconds + second.seconds)
    ratio = ours.rate / peer
    longest = [max(lengths[i : i + SLOTS]) for i in range(0, REQUESTS, SLOTS)]
    predicted = sum(longest) / (sum(lengths) / SLOTS)
    ratios = sorted(ours.rate / side.rate for side in (first, second))
    return {
        "ratio": ratio,
        "low": ratios[0],
        "high": ratios[1],
        "ours": ours.rate,
        "peer": peer,
        "unit": "tokens/s",
        "threads": THREADS,
        "guard": first.seconds / second.seconds,
        "predicted": predicted,
        "expected": 1 / static_utilization(lengths, SLOTS),
        "of_predicted": min(ratio / predicted, predicted / ratio),
    }


if __name__ == "__main__":
    common.main(measure_once, bar=2.5, other_bars={"of_predicted": 0.9})
