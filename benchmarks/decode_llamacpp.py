"""Greedy decoding of 128 tokens, ours against llama.cpp: the same file, each with its best number of threads.

Ours keeps the packed weights and quantises activations to int8, as llama.cpp does.
"""

from __future__ import annotations

import llamacpp
import sides
import torch

from lessons.llm.load import load

TOKENS = 128
PROMPT = [504]  # one token: what is timed is decoding


def make(side: str, threads: int):
    """Return a function that writes the tokens, and how many."""
    if side == "peer":
        model = llamacpp.load(threads)
        return lambda: llamacpp.decode(model, PROMPT, TOKENS), TOKENS
    llm = load("packed", activations="int8")

    def ours() -> list[int]:
        cache = llm.new_cache(TOKENS + 1)
        step, written = torch.tensor(PROMPT), []
        while len(written) < TOKENS:
            written.append(int(llm.model.forward(step, cache)[0].argmax()))
            step = torch.tensor(written[-1:])
        return written

    return ours, TOKENS


if __name__ == "__main__":
    sides.main(make, bar=2.5)
