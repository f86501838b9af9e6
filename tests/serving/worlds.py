"""Workloads, policies and memories to draw from, and a machine that checks every step it runs."""

import math

from hypothesis import strategies as st

from lessons.serving import policies
from lessons.serving.blocks import CountedBlocks
from lessons.serving.loop import serve
from lessons.serving.request import Request, State
from lessons.serving.scheduler import RECOMPUTE, SWAP, Scheduler
from lessons.serving.simulator import Simulator

BLOCK = 4

POLICIES = st.one_of(
    st.builds(policies.Static, st.integers(1, 6)),
    st.builds(policies.Dynamic, st.integers(1, 6), st.floats(0, 5)),
    st.builds(policies.Continuous, st.integers(1, 6)),
    st.builds(policies.ChunkedPrefill, st.integers(1, 6), token_budget=st.integers(6, 20)),
)
# (gap to the one before, prompt, answer)
REQUESTS = st.lists(
    st.tuples(st.floats(0, 8), st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=25
)
TOTALS = st.one_of(st.just(math.inf), st.integers(15, 40))  # 60 tokens, the longest request, or more
PREEMPTIONS = st.sampled_from([RECOMPUTE, SWAP])


def make(rows):
    now, requests = 0.0, []
    for number, (gap, prompt, answer) in enumerate(rows):
        now += gap
        requests.append(Request(number, now, prompt, answer))
    return requests


class Checked(Simulator):
    """A simulated machine that looks at each step before it runs it."""

    def __init__(self, scheduler, cost=lambda w: 0.1 + 0.01 * w.tokens):
        super().__init__(cost)
        self.scheduler = scheduler
        self.computed = self.swapped = 0
        self.admitted = []

    def run(self, batch):
        s, policy = self.scheduler, self.scheduler.policy
        rows = batch.rows
        assert [r for r, _ in rows] == s.running and len(rows) <= policy.max_batch
        assert sum(n for _, n in rows) <= policy.tokens_a_step
        for request, n in rows:
            held = request.state is State.FINISHED
            assert n >= 1 and (held or request.computed + n <= min(request.length, request.capacity))
            assert not held or policy.holds_slots
            self.computed += 0 if held else n
            if request.id not in self.admitted:
                self.admitted.append(request.id)
        self.swapped += batch.swapped
        held_blocks = sum(r.capacity for r in s.running) / BLOCK
        assert all(r.capacity == 0 for r in s.waiting)
        assert s.blocks.free + held_blocks == s.blocks.total and s.blocks.free >= 0
        return super().run(batch)


def run(rows, policy, total=math.inf, preemption=RECOMPUTE):
    scheduler = Scheduler(policy, CountedBlocks(total, BLOCK), preemption=preemption)
    machine = Checked(scheduler)
    return list(serve(make(rows), scheduler, machine)), machine
