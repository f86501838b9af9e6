"""Two machines in a row: the sums by hand, and nobody is lost on the way."""

import pytest
from hypothesis import given

from lessons.errors import LessonError
from lessons.serving import policies
from lessons.serving import workload as w
from lessons.serving.blocks import CountedBlocks
from lessons.serving.disaggregated import Link, simulate_disaggregated
from lessons.serving.metrics import Metrics
from lessons.serving.request import Request, State
from lessons.serving.scheduler import Scheduler
from lessons.serving.simulator import simulate

from .worlds import POLICIES, PREEMPTIONS, REQUESTS, TOTALS, make

LINK = Link(bandwidth=100.0, kv_bytes=10.0, latency=0.25)  # 0.1 s a token


def by_tokens(work):
    return 1.0 + 0.01 * work.tokens


def prefill():
    return Scheduler(policies.Continuous(1), leave_after=1), by_tokens


def test_a_request_pays_prefill_transfer_and_decoding():
    done = list(
        simulate_disaggregated(
            [Request(0, 0.0, 20, 3)], prefill(), (Scheduler(policies.Continuous(8)), by_tokens), LINK
        )
    )
    first = 1.2
    ready = first + 20 * 0.1 + 0.25
    assert done[0].token_times == pytest.approx([first, ready + 1.01, ready + 2.02])


def test_caches_queue_for_the_link():
    requests = [Request(i, 0.0, 100, 2) for i in range(2)]
    done = list(
        simulate_disaggregated(requests, prefill(), (Scheduler(policies.Continuous(8)), by_tokens), LINK)
    )
    # Prefills end at 2 and 4 s; the first cache takes the link from 2 to 12 s, the second until 22 s.
    assert [r.token_times[1] for r in done] == pytest.approx([12.25 + 1.01, 22.25 + 1.01])


@given(REQUESTS, POLICIES, TOTALS, PREEMPTIONS)
def test_nobody_is_lost_between_the_machines(rows, policy, total, preemption):
    prefill_blocks, blocks = CountedBlocks(total, 4), CountedBlocks(total, 4)
    first = Scheduler(policies.Continuous(3), prefill_blocks, leave_after=1), by_tokens
    second = Scheduler(policy, blocks, preemption=preemption), by_tokens
    done = list(simulate_disaggregated(make(rows), first, second, LINK))
    assert sorted(r.id for r in done) == list(range(len(rows)))
    assert all(r.state is State.FINISHED and len(r.token_times) == r.max_tokens for r in done)
    assert blocks.free == blocks.total and prefill_blocks.free == prefill_blocks.total


def test_prefill_no_longer_interrupts_decoding():
    def load():
        return w.workload(300, w.Poisson(0.05), w.Fixed(400), w.Fixed(20), seed=3)

    link = Link(1e9, 10.0)
    together = Metrics(simulate(load(), Scheduler(policies.Continuous(16)), by_tokens))
    apart = Metrics(
        simulate_disaggregated(load(), prefill(), (Scheduler(policies.Continuous(16)), by_tokens), link)
    )
    # A cache that comes waits for the end of a step of 1.16 s at most; a prompt takes 5 s.
    assert apart.itl(99) < 2.4 < 5 < together.itl(99)


def test_a_machine_for_prefill_must_let_go():
    with pytest.raises(LessonError, match="leave_after is inf"):
        list(
            simulate_disaggregated(
                [],
                (Scheduler(policies.Static(1)), by_tokens),
                (Scheduler(policies.Static(1)), by_tokens),
                LINK,
            )
        )
