"""Greedy generation of 32 tokens, against transformers with the same weights and threads, both in float32 arithmetic.

transformers keeps the weights as float32. Ours stay in the file's 4 and 8 bits and become the same float32 numbers
in registers, so that a token reads a fifth of the bytes; activations, products and sums are float32 on both sides.
``ratio_expanded`` is ours with the weights kept as float32, as transformers keeps them.
"""

from __future__ import annotations

import common
import hf
import numba
import torch

from lessons.llm.generate import generate
from lessons.llm.load import load
from lessons.measure import compare

THREADS = 1  # a second thread pool in one process disturbs the first
TOKENS = 32
PROMPT = "The history of the computer begins with the loom. In the early nineteenth century"


def measure_once() -> common.Record:
    """Compare whole generations, the short prompt's prefill included on both sides."""
    torch.set_num_threads(THREADS)
    numba.set_num_threads(THREADS)
    llm, expanded = load("packed"), load("float32")
    peer = hf.llama(expanded)
    ids = torch.tensor([llm.tokenizer.encode(PROMPT)])

    def ours() -> tuple[int, ...]:
        return generate(llm, PROMPT, TOKENS).token_ids

    def ours_expanded() -> tuple[int, ...]:
        return generate(expanded, PROMPT, TOKENS).token_ids

    @torch.inference_mode()
    def theirs() -> list[int]:
        whole = peer.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False, use_cache=True
        )
        return whole[0, ids.shape[1] :].tolist()

    written = list(ours())
    if not written == list(ours_expanded()) == theirs():
        raise SystemExit("the models wrote different tokens, so their speeds cannot be compared")
    if len(written) != TOKENS:
        raise SystemExit(f"the answer ended after {len(written)} of {TOKENS} tokens; choose another prompt")
    same_bytes = compare(ours_expanded, theirs, rounds=6, warmup=0)
    return common.record(
        compare(ours, theirs, rounds=6, warmup=0),
        TOKENS,
        "tokens/s",
        THREADS,
        ratio_expanded=same_bytes.ratio.value,
    )


if __name__ == "__main__":
    common.main(measure_once, bar=2.5)
