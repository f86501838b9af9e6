"""All layers' keys and values of one sequence, twice: in one run, and in a pool whose blocks can be moved about.

A single layer would stay in the caches between two measurements. A model reads all its layers in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from lessons import measure
from lessons.kernels import attention
from lessons.llm.attention import causal
from lessons.llm.block_pool import BLOCK_SIZE
from lessons.measure.conditions import one_thread

LAYERS, HEADS, KV_HEADS, DIM = 30, 9, 3, 64  # SmolLM2-135M
WEIGHTS = 135_000_000  # that a model reads between the attention of two tokens


class AttentionLayers:
    """One decode step's attention over ``tokens`` tokens in every layer, on one thread.

    Args:
        tokens: the context, a multiple of the block size.
        pool_blocks: blocks in the pool; the contiguous cache reserves as many tokens.
    """

    def __init__(self, tokens: int, pool_blocks: int) -> None:
        self.tokens, self.blocks = tokens, tokens // BLOCK_SIZE
        self.q = torch.randn(1, HEADS, DIM)
        # Both have room for as many tokens, as a contiguous cache reserves it. What is not touched takes no memory.
        whole = (LAYERS, KV_HEADS, pool_blocks * BLOCK_SIZE, DIM)
        self.k, self.v = torch.empty(whole), torch.empty(whole)
        for x in (self.k, self.v):
            x[:, :, :tokens].normal_()
        paged = (LAYERS, KV_HEADS, pool_blocks, BLOCK_SIZE, DIM)
        self.k_pool, self.v_pool = torch.empty(paged), torch.empty(paged)
        self._weights = torch.ones(WEIGHTS)

    def pass_weights(self) -> None:
        """Read as many bytes as the model has weights, which push the keys and values out of the caches.

        So it goes in decoding. Without it each call finds more of its data in the last-level cache than the one
        before, and whoever is measured twice in a row looks faster.
        """
        self._weights.sum()

    def contiguous(self) -> None:
        """Attend in every layer over the run."""
        for k, v in zip(self.k, self.v):
            attention.decode(self.q, k, v, self.tokens)

    def sdpa(self) -> None:
        """The same with torch's own attention."""
        for k, v in zip(self.k, self.v):
            causal(self.q, k, v, self.tokens)

    def paged(self, table: Sequence[int]) -> Callable[[], None]:
        """Move the sequence into these blocks; return the function that attends over them."""
        shape = (LAYERS, KV_HEADS, self.blocks, BLOCK_SIZE, DIM)
        for pool, plain in ((self.k_pool, self.k), (self.v_pool, self.v)):
            pool[:, :, list(table)] = plain[:, :, : self.tokens].reshape(shape)
        at = np.array(table, np.int32)

        def run() -> None:
            for k, v in zip(self.k_pool, self.v_pool):
                attention.paged_decode(self.q, k, v, at, self.tokens)

        return run

    def compare(self, table: Sequence[int], rounds: int = 12) -> measure.Comparison:
        """Compare paged attention (ours) with contiguous attention (peer), the weights read before each."""
        with one_thread():
            return measure.compare(
                self.paged(table), self.contiguous, rounds=rounds, before=self.pass_weights
            )

    def error(self, table: Sequence[int]) -> float:
        """Return the largest difference between the two in the first layer."""
        self.paged(table)
        at = np.array(table, np.int32)
        ours = attention.paged_decode(self.q, self.k_pool[0], self.v_pool[0], at, self.tokens)
        return (ours - attention.decode(self.q, self.k[0], self.v[0], self.tokens)).abs().max().item()
