"""Greedy decoding with prompt lookup against plain decoding with the same engine, by kind of prompt.

The engine is our fastest: packed weights, int8 activations, one thread. A faster engine is the harder test, since
a pass over several tokens then waits less for memory. The prompts' prefill is outside the time of both sides.
"""

from __future__ import annotations

import answers
import common
import numba
import torch

from lessons.llm.drafters import PromptLookup
from lessons.llm.load import load
from lessons.measure import compare

THREADS = 1


def measure_once() -> common.Record:
    """Compare all answers of a kind, one after another."""
    torch.set_num_threads(THREADS)
    numba.set_num_threads(THREADS)
    llm = load("packed", activations="int8")
    curve = answers.verification_curve(llm)
    length = answers.draft_length(curve)
    results, written = {}, {}
    for kind in ("grounded", "open"):
        started = [(tokens, answers.prefill(llm, tokens)) for tokens in answers.token_ids(llm, kind)]

        def plain(started=started):
            return sum(answers.answer(llm, *s, PromptLookup(), 0) for s in started)

        def ours(started=started):
            return sum(answers.answer(llm, *s, answers.lookup(curve), length) for s in started)

        written[kind] = plain()
        results[kind] = compare(ours, plain, rounds=8, warmup=1)
    return common.record(
        results["grounded"],
        written["grounded"],
        "tokens/s",
        THREADS,
        ratio_open=results["open"].ratio.value,
        cost_of_5=curve(5),
        draft_length=length,
    )


if __name__ == "__main__":
    common.main(measure_once, bar=1.5, other_bars={"ratio_open": 0.97})
