"""A pass over five tokens against a pass over one: what it costs to verify four guesses.

The whole model, all five rows of the output head computed, packed weights and int8 activations. ``ours`` is
t(5)/t(1) at position 64 and ``ours_1k`` at position 1,000; ``ratio`` is what the bar of 1.5 leaves over it.
"""

from __future__ import annotations

import common
import numba
import torch

from lessons.llm.load import load
from lessons.measure import Comparison, compare

THREADS = 1
BAR, BAR_1K = 1.5, 1.6


def measure_once() -> common.Record:
    """Compare passes over one token (ours) and over five (peer's place), at two positions."""
    torch.set_num_threads(THREADS)
    numba.set_num_threads(THREADS)
    llm = load("packed", activations="int8")
    near, far = cost_of_five(llm, 64), cost_of_five(llm, 1000)
    fields = {"t1": near.peer.value, "ours_1k": 1 / far.ratio.value, "t1_1k": far.peer.value}
    return {
        "ratio": BAR * near.ratio.value,
        "low": BAR * near.ratio.low,
        "high": BAR * near.ratio.high,
        "ours": 1 / near.ratio.value,
        "peer": 1.0,
        "unit": "1",
        "threads": THREADS,
        "guard": near.guard,
        "ratio_1k": BAR_1K * far.ratio.value,
        **fields,
    }


def cost_of_five(llm, position: int) -> Comparison:
    """Compare t(5), as ours, with t(1), as the peer that is measured against itself."""
    cache = llm.new_cache(position + 8)
    llm.model.forward(torch.arange(position), cache, last_only=True)

    def run(tokens: torch.Tensor) -> None:
        llm.model.forward(tokens, cache)
        cache.truncate(position)

    one, five = torch.arange(300, 301), torch.arange(300, 305)
    return compare(lambda: run(five), lambda: run(one), rounds=48)


if __name__ == "__main__":
    common.main(measure_once, bar=1.0, other_bars={"ratio_1k": 1.0})
