"""A prompt of 512 tokens, ours against llama.cpp: the same file, one thread.

Both multiply whole numbers. Ours goes through the prompt 16 tokens at a time, each time through all layers.
"""

from __future__ import annotations

import common
import llamacpp
import numba
import torch

from lessons.llm.load import load
from lessons.measure import compare

THREADS, TOKENS = 1, 512


def measure_once() -> common.Record:
    """Compare prefills, the last token's logits included."""
    torch.set_num_threads(THREADS)
    numba.set_num_threads(THREADS)
    llm, peer = load("packed", activations="int8"), llamacpp.load(THREADS)
    tokens = list(range(1000, 1000 + TOKENS))
    ids = torch.tensor(tokens)

    def ours() -> None:
        llm.model.forward(ids, llm.new_cache(TOKENS), last_only=True)

    comparison = compare(ours, lambda: llamacpp.prefill(peer, tokens), rounds=6)
    return common.record(comparison, TOKENS, "tokens/s", THREADS)


if __name__ == "__main__":
    common.main(measure_once, bar=2.5)
