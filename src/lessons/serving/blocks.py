"""The memory that requests share: what a scheduler asks of it, and a version that only counts."""

from __future__ import annotations

import math
from typing import Protocol

from lessons.serving.request import Request


class Blocks(Protocol):
    """Blocks of KV cache. ``engine`` has one with keys and values in it.

    Attributes:
        longest: tokens of the longest request that can ever run.
        total: blocks in all.
    """

    longest: float
    total: float

    def admit(self, request: Request, spare: float) -> bool:
        """Give blocks for all known tokens if ``spare`` blocks stay free then; else change nothing.

        What an earlier preemption swapped out comes back, and a prefix that is still there may be shared: both
        set ``request.computed``.
        """

    def grow(self, request: Request) -> bool:
        """Give one more block, if there is one."""

    def release(self, request: Request) -> None:
        """Take all blocks back and forget what was in them."""

    def swap_out(self, request: Request) -> None:
        """Take all blocks back, and keep what was in them elsewhere."""


class CountedBlocks:
    """Blocks as a number: enough for a simulation.

    Args:
        total: blocks; left out, memory has no end.
        block_size: tokens a block.
    """

    def __init__(self, total: float = math.inf, block_size: int = 16) -> None:
        self.total, self.block_size = total, block_size
        self.longest = total * block_size
        self.free = total

    def admit(self, request: Request, spare: float) -> bool:
        needed = -(-request.length // self.block_size)
        if needed + spare > self.free:
            return False
        self.free -= needed
        request.capacity = needed * self.block_size
        return True

    def grow(self, request: Request) -> bool:
        if self.free < 1:
            return False
        self.free -= 1
        request.capacity += self.block_size
        return True

    def release(self, request: Request) -> None:
        self.free += request.capacity // self.block_size
        request.capacity = 0

    def swap_out(self, request: Request) -> None:
        self.release(request)
