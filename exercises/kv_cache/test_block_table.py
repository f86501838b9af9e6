"""What a block table must do. Each message says what went wrong."""

import pytest
from block_table import OutOfBlocks, Pool, Sequence


def written(pool, tokens):
    sequence = Sequence(pool)
    for token in tokens:
        sequence.append(token)
    return sequence


def test_tokens_come_back_in_order():
    sequence = written(Pool(blocks=4, size=4), range(10))
    assert sequence.read() == list(range(10)), "token p belongs in block table[p // size], at place p % size"
    assert sequence.length == 10, "append must count the tokens"


def test_blocks_are_taken_as_they_are_needed():
    pool = Pool(blocks=4, size=4)
    sequence = Sequence(pool)
    assert pool.free == 4, "an empty sequence needs no block"
    for tokens, blocks in ((1, 1), (4, 1), (5, 2), (8, 2)):
        while sequence.length < tokens:
            sequence.append(0)
        assert len(sequence.table) == 4 - pool.free == blocks, f"{tokens} tokens need {blocks} blocks of 4"


def test_a_fork_takes_no_block():
    pool = Pool(blocks=4, size=4)
    parent = written(pool, range(6))
    child = parent.fork()
    assert pool.free == 2, "a fork copies the table, and takes no block"
    assert child.table == parent.table and child.table is not parent.table, "each needs a table of its own"
    assert [pool.count[block] for block in parent.table] == [2, 2], "two sequences use each block now"
    assert child.read() == list(range(6)), "a fork has the tokens of its parent"


def test_who_writes_first_goes_on_in_a_copy():
    pool = Pool(blocks=4, size=4)
    parent = written(pool, range(6))
    child = parent.fork()
    child.append(60)
    assert parent.read() == list(range(6)), (
        "the parent's tokens have changed: copy a shared block before writing"
    )
    assert child.read() == [*range(6), 60], "the copy must hold what the old block held"
    assert pool.free == 1, "one block is copied, the last: full blocks stay shared"
    assert [pool.count[block] for block in parent.table] == [2, 1], (
        "the writer has given up the old last block"
    )
    parent.append(61)
    assert pool.free == 1, "the last user of a block writes to it without a copy"
    assert parent.read() == [*range(6), 61] and child.read() == [*range(6), 60]


def test_a_full_last_block_is_not_copied():
    pool = Pool(blocks=4, size=4)
    parent = written(pool, range(8))
    child = parent.fork()
    child.append(80)
    assert pool.free == 1, "the last block is full: take a new one, and copy nothing"
    assert child.table[:2] == parent.table, "full blocks stay shared"


def test_a_block_is_free_when_its_last_user_gives_it_up():
    pool = Pool(blocks=4, size=4)
    parent = written(pool, range(6))
    child = parent.fork()
    parent.free()
    assert (parent.table, parent.length) == ([], 0), "a freed sequence is empty"
    assert pool.free == 2 and child.read() == list(range(6)), "the child still uses these blocks"
    child.free()
    assert pool.free == 4, "nobody uses a block now"


def test_without_a_free_block_nothing_changes():
    pool = Pool(blocks=2, size=4)
    parent = written(pool, range(6))
    child = parent.fork()
    with pytest.raises(OutOfBlocks):
        child.append(60)
    assert child.read() == parent.read() == list(range(6)), "take the block before you change anything"
    assert [pool.count[block] for block in parent.table] == [2, 2], "take the block before you change a count"
