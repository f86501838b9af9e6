"""The published prompts as benchmarks decode them: prefilled once, outside the time of either side."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import torch

from lessons.formulas.speculative import best_draft_length
from lessons.llm import prompts
from lessons.llm.cache import KVCache
from lessons.llm.drafters import Allowance, Drafter, PromptLookup
from lessons.llm.load import LLM
from lessons.llm.sampling import Chance, SamplingParams
from lessons.llm.speculative import DRAFT_LENGTH, decode
from lessons.measure.stats import median

TOKENS = 96
ACCEPTANCE = 0.8  # measured on the grounded prompts: 0.79 to 0.83 with drafts of 3 to 7
Curve = Callable[[int], float]


def token_ids(llm: LLM, kind: str) -> list[list[int]]:
    """Return the tokens of each published prompt of a kind, as a chat."""
    asked = [p.request for p in prompts.load() if p.kind == kind]
    return [llm.tokenizer.encode_chat([{"role": "user", "content": text}]) for text in asked]


def prefill(llm: LLM, tokens: list[int]) -> KVCache:
    """Return a cache that holds all of a prompt's tokens but the last."""
    cache = llm.new_cache(len(tokens) + TOKENS)
    llm.model.forward(torch.tensor(tokens[:-1]), cache, last_only=True)
    return cache


def lookup(curve: Curve) -> Drafter:
    """Return the drafter of these benchmarks."""
    return Allowance(PromptLookup(), curve, start=1.5)


def draft_length(curve: Curve) -> int:
    """Return how many tokens to guess: what the formula asks for where four guesses in five are kept."""
    return best_draft_length(ACCEPTANCE, 0.0, curve, DRAFT_LENGTH)


def answer(llm: LLM, tokens: list[int], cache: KVCache, drafter: Drafter, draft_length: int) -> int:
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


def verification_curve(llm: LLM) -> Curve:
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
