"""The paged KV cache: a sequence is a table of blocks, taken from a pool as its tokens arrive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from lessons.kernels.attention import paged_decode
from lessons.llm import attention
from lessons.llm.block_pool import ROOT, BlockPool, block_hash
from lessons.llm.cache import KVCache, Layout


class PagedCache(KVCache):
    """One sequence in a ``BlockPool``. It never wastes more than the empty rest of its last block.

    Args:
        pool: where its blocks come from; many sequences share one.

    Attributes:
        blocks: the block table: token p lies in block ``blocks[p // block_size]``, at p % block_size.
    """

    def __init__(self, pool: BlockPool) -> None:
        self.pool = pool
        self.length = 0
        self.blocks: list[int] = []
        self._changed()

    def extend(self, n: int) -> None:
        size, length = self.pool.block_size, self.length + n
        copied = None
        if self.length % size and n > 0:  # writing starts in the last block
            last = self.blocks[-1]
            copied = None if self.pool.make_private(last) else last
        missing = -(-length // size) - len(self.blocks) + (copied is not None)
        if missing > 0:
            kept = self.blocks[:-1] if copied is not None else self.blocks
            fresh = self.pool.allocate(missing, after=kept[-1] if kept else None)
            if copied is not None:
                self.pool.copy(copied, fresh[0])
                self.pool.release([copied])
            self.blocks = kept + fresh
            self._changed()
        positions = np.arange(self.length, length)
        blocks = self._table[positions // size].astype(np.int64)
        self._slots = torch.from_numpy(blocks * size + positions % size)
        self.length = length

    def attend(self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        k_pool, v_pool = self.pool.k[layer], self.pool.v[layer]
        for pool, new in ((k_pool, k), (v_pool, v)):
            pool.flatten(1, 2)[:, self._slots] = new.transpose(0, 1)
        if attention.few(q, k_pool):
            return paged_decode(q, k_pool, v_pool, self._table, self.length)
        # A prompt reads each key many times over: one copy into a run costs little beside that.
        keys, values = (pool[:, self.blocks].flatten(1, 2) for pool in (k_pool, v_pool))
        return attention.causal(q, keys, values, self.length)

    def layout(self) -> Layout | None:
        k, v, size = self.pool.k, self.pool.v, self.pool.block_size
        if k.dtype != torch.float32 or k.device.type != "cpu":
            return None
        return Layout(k, v, self.pool.num_blocks * size, size, self._table)

    def truncate(self, length: int) -> None:
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot truncate a cache of {self.length} tokens to {length}")
        needed = -(-length // self.pool.block_size)
        self.pool.release(self.blocks[needed:])
        self.blocks = self.blocks[:needed]
        self.length = length
        self._changed()

    def fork(self) -> PagedCache:
        """Return a second sequence with the same past. No key or value is copied until one of them writes."""
        other = PagedCache(self.pool)
        self.pool.share(self.blocks)
        other.blocks, other.length = list(self.blocks), self.length
        other._changed()
        return other

    def free(self) -> None:
        """Give all blocks back. The cache is then empty; a preempted sequence computes its tokens again."""
        self.truncate(0)

    def match_prefix(self, token_ids: Sequence[int]) -> int:
        """Start an empty cache with the blocks of an earlier sequence that began with the same tokens.

        Only full blocks are shared, and at least one token is left to compute, since its logits are wanted.

        Args:
            token_ids: the prompt.

        Returns:
            How many of its tokens are in the cache now; the model runs over the others.

        Raises:
            ValueError: when the cache is not empty.
        """
        if self.length:
            raise ValueError(f"match_prefix needs an empty cache, this one holds {self.length} tokens")
        for name in self._names(token_ids[:-1]):
            block = self.pool.find(name)
            if block is None:
                break
            self.blocks.append(block)
        self.length = len(self.blocks) * self.pool.block_size
        self._changed()
        return self.length

    def commit(self, token_ids: Sequence[int]) -> None:
        """Make the full blocks findable by later sequences, once every layer has written them.

        Args:
            token_ids: all tokens of this sequence; as many as ``length``.

        Raises:
            ValueError: when their number is not ``length``.
        """
        if len(token_ids) != self.length:
            raise ValueError(f"commit got {len(token_ids)} tokens for a cache of {self.length}")
        for block, name in zip(self.blocks, self._names(token_ids)):
            self.pool.register(block, name)

    def _names(self, token_ids: Sequence[int]):
        """Yield the hash of each full block of these tokens, first to last."""
        name, size = ROOT, self.pool.block_size
        for start in range(0, len(token_ids) - size + 1, size):
            name = block_hash(name, token_ids[start : start + size])
            yield name

    def _changed(self) -> None:
        self._table = np.array(self.blocks, np.int32)
