"""A near miss: it writes to a block that others read."""

from __future__ import annotations


class OutOfBlocks(Exception):
    """The pool has no free block."""


class Pool:
    """Blocks of ``size`` places each, lent by reference. It is complete: use it, and change nothing here.

    Attributes:
        size: places in a block.
        tokens: what each block holds, ``tokens[block][place]``.
        count: how many sequences use each block; a block with 0 is free.
    """

    def __init__(self, blocks: int, size: int) -> None:
        self.size = size
        self.tokens: list[list[int | None]] = [[None] * size for _ in range(blocks)]
        self.count = [0] * blocks

    @property
    def free(self) -> int:
        """Blocks that nobody uses."""
        return self.count.count(0)

    def take(self) -> int:
        """Return the number of a free block, which has a count of 1 from now on.

        Raises:
            OutOfBlocks: when no block is free.
        """
        if not self.free:
            raise OutOfBlocks(f"all {len(self.count)} blocks are in use")
        block = self.count.index(0)
        self.count[block], self.tokens[block] = 1, [None] * self.size
        return block


class Sequence:
    """The tokens of one request, in blocks of a pool.

    Attributes:
        table: the numbers of its blocks, in order: token p lies in block ``table[p // size]``, at place p % size.
        length: its tokens.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.table: list[int] = []
        self.length = 0

    def read(self) -> list[int | None]:
        """Return its tokens, as attention would read them: through the table."""
        size = self.pool.size
        return [self.pool.tokens[self.table[p // size]][p % size] for p in range(self.length)]

    def append(self, token: int) -> None:
        if self.length % self.pool.size == 0:
            self.table.append(self.pool.take())
        self.pool.tokens[self.table[-1]][self.length % self.pool.size] = token
        self.length += 1

    def fork(self) -> Sequence:
        other = Sequence(self.pool)
        other.table, other.length = list(self.table), self.length
        for block in self.table:
            self.pool.count[block] += 1
        return other

    def free(self) -> None:
        for block in self.table:
            self.pool.count[block] -= 1
        self.table, self.length = [], 0
