"""Where a sequence's blocks may lie in a pool: in runs of a given length, or where a used pool puts them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from lessons.llm.block_pool import BlockPool, OutOfBlocks
from lessons.llm.config import ModelConfig
from lessons.llm.paged import PagedCache

# One layer and one small head: where blocks lie does not depend on what is in them.
_TINY = ModelConfig(1, 16, 1, 1, 16, 16, 16, 1 << 20, 1e4, 1e-5)


def in_runs(run: int, blocks: int, pool_blocks: int, seed: int = 0) -> list[int]:
    """Return a table of ``blocks`` blocks in runs of ``run`` adjacent ones, the runs in random places.

    Two runs are never neighbours, as that would make one of them.

    Args:
        run: adjacent blocks; a divisor of ``blocks``.
        blocks: length of the table.
        pool_blocks: blocks in the pool; at least twice ``blocks``.
        seed: of the places.
    """
    starts = list(range(0, pool_blocks, 2 * run))
    chosen = random.Random(seed).sample(starts, blocks // run)
    return [start + i for start in chosen for i in range(run)]


def aged(tokens: int, pool_blocks: int, steps: int = 1000, load: float = 0.5, seed: int = 0) -> list[int]:
    """Return the table of a sequence of ``tokens`` that arrives in a pool after ``steps`` random operations.

    Other sequences append, fork and free; the oldest is freed when they hold more than their share of the pool.
    The new one brings half of its tokens as a prompt and writes the others one by one.

    Args:
        tokens: length of the new sequence.
        pool_blocks: blocks in the pool.
        steps: operations before it arrives.
        load: the share of the pool that the other sequences may hold.
        seed: of the operations.
    """
    draw = random.Random(seed)
    pool = BlockPool(_TINY, pool_blocks)
    others: list[PagedCache] = []

    def extend(cache: PagedCache, n: int) -> None:
        while True:
            try:
                return cache.extend(n)
            except OutOfBlocks:
                free_oldest(cache)

    def free_oldest(spared: PagedCache | None = None) -> None:
        oldest = next(other for other in others if other is not spared)
        oldest.free()
        others.remove(oldest)

    for _ in range(steps):
        action = draw.choices(("arrive", "append", "fork", "free"), (2, 12, 1, 2))[0]
        if action == "arrive" or not others:
            others.append(PagedCache(pool))
            extend(others[-1], draw.randint(16, 300))
        elif action == "append":
            extend(draw.choice(others), draw.randint(1, 32))
        elif action == "fork":
            others.append(draw.choice(others).fork())
        else:
            others.pop(draw.randrange(len(others))).free()
        while pool.num_blocks - pool.available > load * pool.num_blocks:
            free_oldest()
    new = PagedCache(pool)
    extend(new, tokens // 2)
    for _ in range(tokens - tokens // 2):
        extend(new, 1)
    return new.blocks


def mean_run(table: Sequence[int]) -> float:
    """Return the mean number of adjacent blocks in a table."""
    return len(table) / (1 + sum(b != a + 1 for a, b in pairwise(table)))
