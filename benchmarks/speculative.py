"""Greedy decoding with prompt lookup against plain decoding with the same engine, by kind of prompt.

The engine is our fastest: packed weights, int8 activations, one thread. A faster engine is the harder test, since
a pass over several tokens then waits less for memory. The prompts' prefill is outside the time of both sides.
"""

from __future__ import annotations

from time import perf_counter

import common
import numba
import torch

from lessons.llm import prompts
from lessons.llm.drafters import Allowance, PromptLookup
from lessons.llm.load import load
from lessons.llm.sampling import SamplingParams
from lessons.llm.speculative import DRAFT_LENGTH, Chance, decode
from lessons.measure import compare
from lessons.measure.stats import median

THREADS = 1
TOKENS = 96


def measure_once() -> common.Record:
    """Compare all answers of a kind, one after another."""
    torch.set_num_threads(THREADS)
    numba.set_num_threads(THREADS)
    llm = load("packed", activations="int8")
    curve = verification_curve(llm)
    results, written = {}, {}
    for kind in ("grounded", "open"):
        started = [prefill(llm, p.request) for p in prompts.load() if p.kind == kind]

        def plain(started=started):
            return sum(answer(llm, *s, PromptLookup(), 0) for s in started)

        def ours(started=started):
            return sum(
                answer(llm, *s, Allowance(PromptLookup(), curve, start=1.5), DRAFT_LENGTH) for s in started
            )

        written[kind] = plain()
        results[kind] = compare(ours, plain, rounds=8, warmup=1)
    return common.record(
        results["grounded"],
        written["grounded"],
        "tokens/s",
        THREADS,
        ratio_open=results["open"].ratio.value,
        cost_of_5=curve(5),
    )


def prefill(llm, request: str):
    """Return a prompt's tokens, and a cache that holds all of them but the last."""
    tokens = llm.tokenizer.encode(llm.tokenizer.chat([{"role": "user", "content": request}]))
    cache = llm.new_cache(len(tokens) + TOKENS)
    llm.model.forward(torch.tensor(tokens[:-1]), cache, last_only=True)
    return tokens, cache


def answer(llm, tokens, cache, drafter, draft_length: int) -> int:
    """Write an answer and return its length; the cache is then as it was."""
    steps = decode(
        llm.model,
        cache,
        tokens,
        drafter,
        TOKENS,
        params=SamplingParams(0.0),
        chance=Chance(),
        draft_length=draft_length,
        stop_ids=llm.tokenizer.stop_ids,
    )
    written = sum(len(tokens) for tokens, _ in steps)
    cache.truncate(len(tokens) - 1)
    return written


def verification_curve(llm):
    """Measure t(k)/t(1) of the engine, which tells the drafter what a guess costs.

    The lengths take turns, as they do in decoding: whoever runs again and again finds more in the caches.
    """
    cache = llm.new_cache(256)
    llm.model.forward(torch.arange(100, 228), cache, last_only=True)
    seconds: dict[int, list[float]] = {k: [] for k in range(1, DRAFT_LENGTH + 2)}
    for _ in range(21):
        for k, samples in seconds.items():
            began = perf_counter()
            llm.model.forward(torch.arange(300, 300 + k), cache)
            samples.append(perf_counter() - began)
            cache.truncate(128)
    return lambda k: median(seconds[k]) / median(seconds[1])


if __name__ == "__main__":
    common.main(measure_once, bar=1.5, other_bars={"ratio_open": 0.97})
