"""What must hold under every policy, memory and load: nobody is lost, nobody overtakes, nothing is lent twice."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.errors import LessonError
from lessons.serving import policies
from lessons.serving.blocks import CountedBlocks
from lessons.serving.request import Request, State
from lessons.serving.scheduler import RECOMPUTE, SWAP, Scheduler

from .worlds import BLOCK, POLICIES, PREEMPTIONS, REQUESTS, TOTALS, make, run


@settings(max_examples=250)
@given(REQUESTS, POLICIES, TOTALS, PREEMPTIONS)
def test_all_finish_in_order_with_all_their_tokens_and_all_blocks_come_back(rows, policy, total, preemption):
    done, machine = run(rows, policy, total, preemption)  # each step is checked on the way
    assert sorted(r.id for r in done) == list(range(len(rows)))
    assert machine.admitted == sorted(machine.admitted)
    for request in done:
        times = request.token_times
        assert request.state is State.FINISHED and len(times) == request.max_tokens
        assert request.arrival < times[0] and all(a < b for a, b in itertools.pairwise(times))
    scheduler = machine.scheduler
    assert not scheduler.waiting and not scheduler.running and scheduler.blocks.free == scheduler.blocks.total
    # The last token of an answer is never fed back; recomputing is the only work that is done twice.
    once = sum(r.prompt_tokens + r.max_tokens - 1 for r in done)
    preemptions = sum(r.preemptions for r in done)
    if preemptions == 0 or preemption == SWAP:
        assert machine.computed == once
    else:
        assert machine.computed > once
    assert (machine.swapped > 0) == (preemption == SWAP and preemptions > 0)
    assert preemptions == 0 or total < math.inf


def test_preemption_does_happen_in_these_worlds():
    rows = [(0.0, 20, 30)] * 6
    for policy in (policies.Static(6), policies.Continuous(6), policies.ChunkedPrefill(6, token_budget=8)):
        for preemption in (RECOMPUTE, SWAP):
            done, _ = run(rows, policy, 30, preemption)
            assert sum(r.preemptions for r in done) > 0
            assert done[0].id == 0 and done[0].preemptions == 0  # the oldest is never put back


def steps(rows, policy):
    """Return the batches as {id: tokens}, all requests being there from the start."""
    scheduler = Scheduler(policy, CountedBlocks())
    for request in make(rows):
        scheduler.add(request)
    batches = []
    while (batch := scheduler.schedule(0.0)).rows:
        batches.append({r.id: n for r, n in batch.rows})
        scheduler.update(batch, float(len(batches)))
    return batches


THREE = [(0.0, 5, 2), (0.0, 3, 4), (0.0, 4, 1)]


def test_static_holds_slots_until_the_longest_ends():
    first = [{0: 5, 1: 3}, {0: 1, 1: 1}, {0: 1, 1: 1}, {0: 1, 1: 1}]  # 0 has finished after the second step
    assert steps(THREE, policies.Static(2)) == [*first, {2: 4}]


def test_continuous_gives_the_slot_away_at_once():
    assert steps(THREE, policies.Continuous(2)) == [{0: 5, 1: 3}, {0: 1, 1: 1}, {1: 1, 2: 4}, {1: 1}]


def test_chunks_fill_what_decoding_leaves_of_the_budget():
    got = steps(THREE, policies.ChunkedPrefill(2, token_budget=4))
    assert got == [{0: 4}, {0: 1, 1: 3}, {0: 1, 1: 1}, {1: 1, 2: 3}, {1: 1, 2: 1}]


def test_dynamic_waits_for_company_but_not_for_ever():
    policy = policies.Dynamic(2, delay=1.5)
    scheduler = Scheduler(policy)
    for request in make([(1.0, 3, 1), (1.0, 3, 1)]):
        scheduler.add(request)
        if request.id == 0:
            assert not scheduler.schedule(2.0).rows  # alone, and its time is not up
            assert policy.opens_at(scheduler.waiting) == 2.5
            assert policy.opens(2.5, scheduler.waiting, [])
    assert len(scheduler.schedule(2.0).rows) == 2  # full


@given(st.integers(1, 8), st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_static_steps_are_those_of_the_longest_of_each_batch(slots, lengths):
    rows = [(0.0, 1, length) for length in lengths]
    expected = sum(max(lengths[i : i + slots]) for i in range(0, len(lengths), slots))
    assert len(steps(rows, policies.Static(slots))) == expected


def test_admission_leaves_the_watermark_free():
    blocks = CountedBlocks(200, BLOCK)  # of which 2 stay free
    scheduler = Scheduler(policies.Continuous(8), blocks)
    for request in make([(0.0, 99 * BLOCK, 1), (0.0, 100 * BLOCK, 1), (0.0, BLOCK, 1)]):
        scheduler.add(request)
    batch = scheduler.schedule(0.0)
    assert [r.id for r, _ in batch.rows] == [0]  # 1 does not fit, and 2 does not overtake it
    scheduler.update(batch, 1.0)
    assert [r.id for r, _ in scheduler.schedule(1.0).rows] == [1, 2]


def test_a_request_that_can_never_run_is_refused():
    scheduler = Scheduler(policies.Continuous(2), CountedBlocks(4, BLOCK))
    scheduler.add(Request(1, 0.0, 10, 6))
    with pytest.raises(LessonError, match="may grow to 17 tokens, and the longest that fits has 16"):
        scheduler.add(Request(2, 0.0, 10, 7))


def test_bad_settings_are_refused():
    with pytest.raises(LessonError, match="max_batch is 0"):
        policies.Static(0)
    with pytest.raises(LessonError, match="token_budget is 3"):
        policies.ChunkedPrefill(4, token_budget=3)
    with pytest.raises(LessonError, match="'drop'"):
        Scheduler(policies.Static(1), preemption="drop")


def test_a_stop_token_ends_an_answer():
    scheduler = Scheduler(policies.Continuous(2))
    for request in make([(0.0, 3, 9), (0.0, 3, 9)]):
        scheduler.add(request)
    batch = scheduler.schedule(0.0)
    assert [r.id for r in scheduler.update(batch, 1.0, {1})] == [1]
    assert [r.id for r in scheduler.running] == [0]
