"""The buddy system keeps its books, and the simulated shares agree with the closed forms where those apply."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.allocators.buddy import BuddyAllocator
from lessons.allocators.mix import MAX_LENGTH, OUTPUT_MEAN, PROMPT_MEAN, request_mix
from lessons.allocators.reservation import page, reserve
from lessons.formulas.paging import buddy, reservation_shares


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 300), st.integers(0, 99)), max_size=80))
def test_buddy_runs_never_overlap_and_join_again(steps):
    memory = BuddyAllocator(1024)
    held: dict[int, int] = {}
    for give_back, slots, which in steps:
        if give_back and held:
            start = sorted(held)[which % len(held)]
            memory.free(start)
            del held[start]
            continue
        start = memory.allocate(slots)
        if start is None:
            assert memory.largest() < buddy(slots)
            continue
        size = buddy(slots)
        assert start % size == 0
        assert all(start + size <= s or s + n <= start for s, n in held.items())
        held[start] = size
        assert memory.allocated == sum(held.values())
    for start in held:
        memory.free(start)
    assert memory.largest() == 1024


def test_buddy_refuses_what_it_did_not_hand_out():
    with pytest.raises(ValueError, match="power of two"):
        BuddyAllocator(1000)
    with pytest.raises(ValueError, match="slot 3"):
        BuddyAllocator(8).free(3)


def test_the_mix_is_fixed_and_near_its_means():
    mix = request_mix(4000)
    assert mix == request_mix(4000) != request_mix(4000, seed=1)
    assert all(p + o <= MAX_LENGTH for p, o in mix)
    prompts, outputs = (sum(x) / len(mix) for x in zip(*mix))
    assert 0.85 * PROMPT_MEAN < prompts <= 1.02 * PROMPT_MEAN
    assert 0.8 * OUTPUT_MEAN < outputs <= OUTPUT_MEAN


@pytest.mark.parametrize("policy", ["max", "pow2", "oracle"])
def test_shares_agree_with_the_closed_form(policy):
    mix = request_mix()
    usage = reserve(mix, policy)
    parts = (usage.used, usage.reserved, usage.internal, usage.rounding, usage.free)
    assert sum(parts) == pytest.approx(1) and min(parts) >= 0
    # The closed form knows no free memory and no queue: compare the shares of what is allocated.
    form = reservation_shares(mix, policy, rounded=True)
    assert usage.used / (1 - usage.free) == pytest.approx(form.used, rel=0.15)


def test_each_policy_that_knows_more_uses_more_and_paging_most():
    mix = request_mix()
    used = [reserve(mix, policy).used for policy in ("max", "pow2", "oracle")] + [page(mix).used]
    assert used == sorted(used)
    assert used[-1] > 0.9


def test_paging_wastes_more_with_larger_blocks():
    mix = request_mix(300)
    waste = [(u.internal + u.reserved) / (1 - u.free) for u in (page(mix, size) for size in (1, 16, 64))]
    assert waste[0] == 0 < waste[1] < waste[2]


def test_a_memory_too_small_or_too_large_is_refused():
    with pytest.raises(ValueError, match="give more slots"):
        page([(100, 100)], slots=128)
    with pytest.raises(ValueError, match="more requests"):
        page([(10, 10)])
