"""The memory of a paged KV cache: blocks of a fixed size, lent by reference, found again by their content.

Source:
    Kwon et al. 2023, arXiv:2309.06180, sections 4.2 to 4.5: blocks, reference counts, copy on write. Finding
    prefixes by a chain of hashes follows vLLM's automatic prefix caching. Handing out adjacent runs is our own:
    a kernel then reads a sequence as a few long streams.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from lessons.llm.cache import CacheFull
from lessons.llm.config import ModelConfig

BLOCK_SIZE = 16  # tokens; vLLM's default
ROOT = b""  # the parent of a sequence's first block


class OutOfBlocks(CacheFull):
    """The pool has too few free blocks; nothing was changed."""


def block_hash(parent: bytes, token_ids: Sequence[int]) -> bytes:
    """Return the name of a full block: a hash of its tokens and of all blocks before it.

    The same tokens after another beginning have other keys and values (attention has mixed the beginning in), so
    the parent's hash is part of the name.

    Args:
        parent: the hash of the block before it, ``ROOT`` for the first.
        token_ids: the block's tokens.
    """
    tokens = np.asarray(token_ids, np.int64).tobytes()
    return hashlib.sha256(parent + tokens).digest()


class BlockPool:
    """Keys and values of many sequences, in blocks that are lent and given back.

    A block is *free*, *used* (its reference count is 1 or more) or *cached*: nobody uses it, but its hash is
    known, and it stays until its memory is needed.

    Args:
        config: the model's shape.
        num_blocks: blocks in the pool.
        block_size: tokens a block.
        dtype: of the stored keys and values.
        device: where they lie.

    Attributes:
        k, v: [layers, kv_heads, num_blocks, block_size, head_dim]. Two pools, with a head's blocks side by side:
            adjacent blocks are then as good as a contiguous cache.
    """

    def __init__(
        self,
        config: ModelConfig,
        num_blocks: int,
        block_size: int = BLOCK_SIZE,
        *,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> None:
        if num_blocks < 1 or block_size < 1:
            raise ValueError(f"a pool needs 1 block of 1 token or more, got {num_blocks} of {block_size}")
        self.num_blocks, self.block_size = num_blocks, block_size
        shape = (config.layers, config.kv_heads, num_blocks, block_size, config.head_dim)
        self.k = torch.empty(shape, dtype=dtype, device=device)
        self.v = torch.empty(shape, dtype=dtype, device=device)
        self._references = [0] * num_blocks
        self._free = np.ones(num_blocks, bool)
        self._cached: OrderedDict[int, None] = OrderedDict()  # least recently used first
        self._block_of: dict[bytes, int] = {}
        self._hash_of: dict[int, bytes] = {}

    @property
    def available(self) -> int:
        """Blocks that can be handed out: the free ones, and the cached ones that would be evicted."""
        return int(self._free.sum()) + len(self._cached)

    def allocate(self, n: int, after: int | None = None) -> list[int]:
        """Hand out ``n`` blocks, each with one reference, in as few adjacent runs as there are.

        First the blocks behind ``after`` are taken, so that a sequence grows where it ends. What is left starts
        a quarter into the longest gap: the sequence before the gap keeps some room to grow, and this one more.

        Args:
            n: how many.
            after: the sequence's last block.

        Raises:
            OutOfBlocks: when fewer are available.
        """
        if n > self.available:
            raise OutOfBlocks(
                f"{n} more blocks of {self.block_size} tokens are needed, and {self.available} of "
                f"{self.num_blocks} are available; free a sequence, or make the pool larger"
            )
        while self._free.sum() < n:
            self._evict()
        blocks: list[int] = []
        if after is not None:
            blocks += self._take(after + 1, n)
        while len(blocks) < n:
            start, length = max(self._gaps(), key=lambda gap: gap[1])
            room = max(0, length - (n - len(blocks)))
            blocks += self._take(start + room // 4, n - len(blocks))
        return blocks

    def share(self, blocks: Iterable[int]) -> None:
        """Add a reference to each block."""
        for block in blocks:
            self._references[block] += 1

    def release(self, blocks: Iterable[int]) -> None:
        """Drop a reference from each block. With the last one it becomes cached, or free where it has no hash.

        Raises:
            ValueError: for a block that nobody uses.
        """
        for block in blocks:
            if self._references[block] < 1:
                raise ValueError(f"block {block} was released more often than it was lent")
            self._references[block] -= 1
            if self._references[block] == 0:
                if block in self._hash_of:
                    self._cached[block] = None
                else:
                    self._free[block] = True

    def references(self, block: int) -> int:
        """Return how many sequences use the block."""
        return self._references[block]

    def make_private(self, block: int) -> bool:
        """Tell whether the block's one user may write to it; if so, its hash is forgotten first."""
        if self._references[block] > 1:
            return False
        self._forget(block)
        return True

    def copy(self, source: int, target: int) -> None:
        """Copy a block's keys and values in every layer."""
        self.k[:, :, target] = self.k[:, :, source]
        self.v[:, :, target] = self.v[:, :, source]

    def register(self, block: int, name: bytes) -> None:
        """Make a full block findable under its hash, unless another one already is."""
        if name not in self._block_of and block not in self._hash_of:
            self._block_of[name], self._hash_of[block] = block, name

    def find(self, name: bytes) -> int | None:
        """Return the block with this hash and add a reference to it, or None."""
        block = self._block_of.get(name)
        if block is not None:
            self._cached.pop(block, None)
            self._references[block] += 1
        return block

    def _take(self, start: int, n: int) -> list[int]:
        """Take up to ``n`` free blocks from ``start`` on, as far as they are adjacent."""
        stop = start
        while stop < min(start + n, self.num_blocks) and self._free[stop]:
            self._free[stop] = False
            self._references[stop] = 1
            stop += 1
        return list(range(start, stop))

    def _gaps(self) -> Iterator[tuple[int, int]]:
        """Yield (first block, length) of each run of free blocks."""
        edges = np.flatnonzero(np.diff(np.concatenate(([False], self._free, [False]))))
        yield from ((int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2]))

    def _evict(self) -> None:
        block, _ = self._cached.popitem(last=False)
        self._forget(block)
        self._free[block] = True

    def _forget(self, block: int) -> None:
        name = self._hash_of.pop(block, None)
        if name is not None:
            del self._block_of[name]
