"""A paged cache gives what a contiguous one gives, whatever happens in between, and the pool is whole afterwards."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.llm.block_pool import ROOT, BlockPool, OutOfBlocks, block_hash
from lessons.llm.config import ModelConfig
from lessons.llm.contiguous import ContiguousCache
from lessons.llm.paged import PagedCache

CONFIG = ModelConfig(2, 64, 4, 2, 16, 64, 100, 512, 1e4, 1e-5)


def new_tokens(generator, n):
    """Return q, k, v of n tokens for each layer."""
    heads = (CONFIG.heads, CONFIG.kv_heads, CONFIG.kv_heads)
    return [[torch.randn(n, h, 16, generator=generator) for h in heads] for _ in range(CONFIG.layers)]


def step(cache, rows):
    cache.extend(len(rows[0][0]))
    return [cache.attend(layer, *qkv) for layer, qkv in enumerate(rows)]


def references(pool):
    return [pool.references(block) for block in range(pool.num_blocks)]


ACTIONS = st.tuples(
    st.sampled_from(["append", "append", "append", "fork", "free", "truncate", "preempt"]),
    st.integers(0, 30),
    st.integers(1, 25),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTIONS, max_size=40), st.sampled_from([1, 4, 16]))
def test_any_interleaving_equals_contiguous_caches(actions, block_size):
    generator = torch.Generator().manual_seed(0)
    pool = BlockPool(CONFIG, 160 // block_size, block_size)
    # NaN shows any read of memory that was not written.
    pool.k.fill_(torch.nan), pool.v.fill_(torch.nan)
    pairs = [(PagedCache(pool), ContiguousCache(CONFIG), [])]

    for action, which, n in actions:
        paged, plain, history = pairs[which % len(pairs)]
        if action == "append":
            rows = new_tokens(generator, n)
            before = (paged.length, list(paged.blocks), references(pool), pool.available)
            try:
                out = step(paged, rows)
            except OutOfBlocks:
                assert (paged.length, paged.blocks, references(pool), pool.available) == before
                continue
            for a, b in zip(out, step(plain, rows)):
                torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
            history.append(rows)
        elif action == "fork":
            copy = ContiguousCache(CONFIG)
            copy.k[:], copy.v[:], copy.length = plain.k, plain.v, plain.length
            pairs.append((paged.fork(), copy, list(history)))
        elif action == "truncate":
            length = min(n, paged.length)
            paged.truncate(length), plain.truncate(length)
            history.clear()  # its steps no longer fit: such a sequence is not preempted below
            history.append(None)
        elif action == "preempt" and None not in history:
            paged.free()
            try:
                for rows in history:
                    step(paged, rows)
            except OutOfBlocks:  # its blocks went to a fork's copies; the sequence ends here
                paged.free()
                pairs[which % len(pairs)] = (paged, ContiguousCache(CONFIG), [])
        elif action == "free":
            paged.free()
            pairs[which % len(pairs)] = (paged, ContiguousCache(CONFIG), [])

    in_use = [block for paged, _, _ in pairs for block in paged.blocks]
    assert references(pool) == [in_use.count(block) for block in range(pool.num_blocks)]
    for paged, _, _ in pairs:
        paged.free()
    assert pool.available == pool.num_blocks and not any(references(pool))


def test_a_sequence_grows_in_one_run_and_a_second_one_leaves_it_room():
    pool = BlockPool(CONFIG, 64)
    first, second = PagedCache(pool), PagedCache(pool)
    for _ in range(8):
        first.extend(16)
        second.extend(16)
    for cache in (first, second):
        assert cache.blocks == list(range(cache.blocks[0], cache.blocks[0] + 8))


def test_copy_on_write_copies_one_block():
    pool = BlockPool(CONFIG, 8, 4)
    first = PagedCache(pool)
    step(first, new_tokens(torch.Generator().manual_seed(1), 6))
    second = first.fork()
    assert pool.available == 6
    second.extend(1)
    assert pool.available == 5
    assert first.blocks[0] == second.blocks[0] and first.blocks[1] != second.blocks[1]
    first.extend(1)  # its last block is its own again: no copy
    assert pool.available == 5


def test_a_prefix_is_found_by_its_tokens_and_evicted_when_memory_is_short():
    pool = BlockPool(CONFIG, 4, 4)
    tokens = list(range(11))
    first = PagedCache(pool)
    rows = new_tokens(torch.Generator().manual_seed(2), 11)
    step(first, rows)
    first.commit(tokens)
    kept = first.blocks[:2]
    first.free()
    assert pool.available == 4

    second = PagedCache(pool)
    assert second.match_prefix([*tokens[:8], 99]) == 8 and second.blocks == kept
    assert PagedCache(pool).match_prefix([5, *tokens[1:]]) == 0
    # The last token is always computed, so a prompt of two full blocks shares one.
    third = PagedCache(pool)
    assert third.match_prefix(tokens[:8]) == 4
    second.free(), third.free()

    PagedCache(pool).extend(16)
    assert PagedCache(pool).match_prefix(tokens) == 0


def test_a_found_block_is_never_written_to():
    pool = BlockPool(CONFIG, 4, 4)
    first = PagedCache(pool)
    step(first, new_tokens(torch.Generator().manual_seed(3), 8))
    first.commit(range(8))
    second = PagedCache(pool)
    second.match_prefix(range(9))
    before = pool.k[:, :, first.blocks].clone()
    second.truncate(6)
    step(second, new_tokens(torch.Generator().manual_seed(4), 2))
    assert torch.equal(pool.k[:, :, first.blocks], before)


def test_names_depend_on_all_tokens_before():
    assert block_hash(ROOT, [1, 2]) == block_hash(ROOT, (1, 2)) != block_hash(ROOT, [2, 1])
    assert block_hash(block_hash(ROOT, [1]), [2]) != block_hash(block_hash(ROOT, [3]), [2])


def test_out_of_blocks_says_what_to_do():
    cache = PagedCache(BlockPool(CONFIG, 2, 4))
    with pytest.raises(OutOfBlocks, match="3 more blocks of 4 tokens are needed, and 2 of 2"):
        cache.extend(9)
    assert cache.length == 0 and cache.blocks == []
    with pytest.raises(ValueError, match="more often"):
        cache.pool.release([0])


def test_the_real_model_gives_the_same_logits_paged_forked_and_preempted():
    from lessons.llm.load import find_model, load

    find_model()
    llm = load()
    tokens = torch.tensor(llm.tokenizer.encode("The block table of a sequence names the blocks in which its"))
    pool = BlockPool(llm.config, 16)
    paged, plain = PagedCache(pool), llm.new_cache(64)
    forward = llm.model.forward
    close = {"atol": 2e-3, "rtol": 0}
    torch.testing.assert_close(forward(tokens, paged), forward(tokens, plain), **close)

    other = paged.fork()
    expected = forward(tokens[:3], plain)
    torch.testing.assert_close(forward(tokens[:3], other), expected, **close)
    forward(tokens[4:5], paged)  # writes beside the fork
    plain.truncate(plain.length - 1)
    other.truncate(other.length - 1)
    torch.testing.assert_close(forward(tokens[5:6], other), forward(tokens[5:6], plain), **close)

    other.free()
    again = torch.cat([tokens, tokens[:2], tokens[5:6]])
    recomputed = forward(again, other)[-1]
    plain.truncate(plain.length - 1)
    torch.testing.assert_close(recomputed, forward(tokens[5:6], plain)[0], **close)
