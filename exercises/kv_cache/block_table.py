"""A block table with reference counts and copy on write: write the three methods of ``Sequence``.

Run the test with ``.venv/bin/python -m pytest exercises/kv_cache`` until it passes.
"""

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
        """Store one more token.

        A sequence takes a block only when its last one is full. It never writes to a block that another sequence uses:
        it goes on in a copy, and leaves the old block to the others.

        Args:
            token: what to store.

        Raises:
            OutOfBlocks: when it needs a block and none is free. Nothing has changed then.
        """
        raise NotImplementedError

    def fork(self) -> Sequence:
        """Return a second sequence with the same tokens. No token is copied, and no block is taken."""
        raise NotImplementedError

    def free(self) -> None:
        """Give up all blocks; the sequence is empty then. A block is free when its last user has given it up."""
        raise NotImplementedError
