"""Greedy decoding with prompt lookup against plain decoding with the same engine, by kind of prompt."""

from __future__ import annotations

import common
import numba
import torch

from lessons.llm import prompts
from lessons.llm.drafters import Allowance, PromptLookup
from lessons.llm.load import load
from lessons.llm.speculative import generate
from lessons.measure import compare

THREADS = 1
TOKENS = 48


def measure_once() -> common.Record:
    """Compare all answers of a kind; the prompts' prefill is inside the time of both sides."""
    torch.set_num_threads(THREADS)
    numba.set_num_threads(THREADS)
    llm = load()
    results, written = {}, {}
    for kind in ("grounded", "open"):
        texts = [
            llm.tokenizer.chat([{"role": "user", "content": p.request}])
            for p in prompts.load()
            if p.kind == kind
        ]

        def plain(texts=texts):
            return [generate(llm, text, PromptLookup(), TOKENS, draft_length=0) for text in texts]

        def ours(texts=texts):
            return [generate(llm, text, Allowance(PromptLookup()), TOKENS) for text in texts]

        written[kind] = sum(len(answer.token_ids) for answer in plain())
        results[kind] = compare(ours, plain, rounds=6, warmup=0)
    return common.record(
        results["grounded"], written["grounded"], "tokens/s", THREADS, ratio_open=results["open"].ratio.value
    )


if __name__ == "__main__":
    common.main(measure_once, bar=1.5)
