"""Attention through a block table, where the book's pool puts the blocks, against our contiguous kernel.

Context 1,024, blocks of 16 tokens, all layers of SmolLM2-135M in turn, one thread; before each sample the bytes
of the model's weights are read, as in decoding. Also: contiguous against torch's own attention, and the blocks
in random runs of 1, 4, 16 and 64.
"""

from __future__ import annotations

import common

from lessons.llm.attention_layers import AttentionLayers, one_thread
from lessons.llm.placement import aged, in_runs, mean_run
from lessons.measure import compare

TOKENS, POOL_BLOCKS = 1024, 512


def measure_once() -> common.Record:
    """Return the comparison of one process: attention over the whole context, tokens a second."""
    layers = AttentionLayers(TOKENS, POOL_BLOCKS)
    table = aged(TOKENS, POOL_BLOCKS)
    placed = layers.compare(table, rounds=48)
    with one_thread():
        sdpa = compare(layers.contiguous, layers.sdpa, rounds=18, before=layers.pass_weights)
    runs = {
        str(run): layers.compare(in_runs(run, layers.blocks, POOL_BLOCKS), rounds=18)
        for run in (1, 4, 16, 64)
    }
    return common.record(
        placed,
        1.0,
        "tokens/s",
        1,
        mean_run=mean_run(table),
        contiguous_over_sdpa=sdpa.ratio.value,
        runs={run: comparison.ratio.value for run, comparison in runs.items()},
        full_pool=layers.compare(aged(TOKENS, POOL_BLOCKS, load=1.0)).ratio.value,
    )


if __name__ == "__main__":
    common.main(measure_once, bar=0.95, other_bars={"contiguous_over_sdpa": 0.9})
