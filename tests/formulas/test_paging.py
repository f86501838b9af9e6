"""The waste forms against a memory that is filled slot by slot, step by step."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.formulas import paging

request = st.tuples(st.integers(1, 70), st.integers(1, 70))
mixes = st.lists(request, min_size=1, max_size=8)


def fill(requests, slots_at):
    """Return (used, reserved, internal) by counting every slot of every step."""
    used = reserved = internal = 0
    for prompt, output in requests:
        last = prompt + output - 1
        for step in range(output):
            for slot in range(slots_at(prompt, output, step)):
                if slot < prompt + step:
                    used += 1
                elif slot < last:
                    reserved += 1
                else:
                    internal += 1
    total = used + reserved + internal
    return used / total, reserved / total, internal / total


@given(requests=mixes, policy=st.sampled_from(paging.POLICIES), rounded=st.booleans())
def test_contiguous_shares_are_those_of_slots_counted_one_by_one(requests, policy, rounded):
    def slots_at(prompt, output, step):
        slots = {"max": 150, "oracle": prompt + output}.get(policy)
        if slots is None:
            slots = min(150, prompt + next(2**i for i in range(9) if 2**i >= output))
        return next(2**i for i in range(9) if 2**i >= slots) if rounded else slots

    shares = paging.reservation_shares(requests, policy, max_length=150, rounded=rounded)
    assert shares == pytest.approx(fill(requests, slots_at), abs=1e-12)


@given(requests=mixes, block_size=st.integers(1, 40))
def test_paged_shares_are_those_of_slots_counted_one_by_one(requests, block_size):
    def slots_at(prompt, output, step):
        slots = 0
        while slots < prompt + step:
            slots += block_size
        return slots

    shares = paging.paged_shares(requests, block_size)
    assert shares == pytest.approx(fill(requests, slots_at), abs=1e-12)


@pytest.mark.parametrize("block_size", [1, 8, 16, 128])
def test_expected_waste_is_that_of_a_simulated_pool(block_size):
    rng = random.Random(7)
    lengths = [min(8000, 1 + int(rng.lognormvariate(6, 0.8))) for _ in range(40_000)]
    slots = sum(paging.blocks(n, block_size) * block_size for n in lengths)
    waste = 1 - sum(lengths) / slots
    assert paging.expected_waste(sum(lengths) / len(lengths), block_size) == pytest.approx(waste, abs=2e-3)


def test_expected_waste_is_exact_when_every_remainder_is_as_frequent():
    lengths = range(1, 16 * 9 + 1)
    slots = sum(paging.blocks(n, 16) * 16 for n in lengths)
    assert paging.expected_waste(sum(lengths) / len(lengths), 16) == pytest.approx(1 - sum(lengths) / slots)


@given(tokens=st.integers(1, 10**9))
def test_buddy_is_the_least_power_of_two_that_holds_the_tokens(tokens):
    slots = paging.buddy(tokens)
    assert bin(slots).count("1") == 1
    assert slots // 2 < tokens <= slots


@given(requests=mixes)
def test_knowing_more_never_wastes_more(requests):
    used = [paging.reservation_shares(requests, p, max_length=150).used for p in paging.POLICIES]
    assert used == sorted(used)
    # At block size 1 a sequence never holds a slot that it has not filled.
    assert paging.paged_shares(requests, 1).used == 1


def test_a_request_beyond_the_limit_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match="300 slots, but the limit is 256"):
        paging.reservation(200, 100, "max", max_length=256)
