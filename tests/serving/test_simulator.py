"""The simulated clock against closed forms; and its work grows with the tokens, not with the queue."""

import math
import sys

import pytest

from lessons.datasheets import accelerator, model
from lessons.errors import LessonError
from lessons.formulas import batching
from lessons.serving import policies
from lessons.serving import workload as w
from lessons.serving.blocks import CountedBlocks
from lessons.serving.costs import Roofline, Work
from lessons.serving.metrics import Metrics
from lessons.serving.request import Request
from lessons.serving.scheduler import Scheduler
from lessons.serving.simulator import simulate

COST = Roofline.from_datasheet(accelerator("h100_sxm"), model("llama-3-8b"))


def test_one_request_takes_the_sum_of_its_steps():
    (done,) = simulate([Request(0, 2.0, 1000, 20)], Scheduler(policies.Continuous(8)), COST)
    moment = 2.0 + COST(Work(1000, 1, 1000, 1000 * 1001 // 2))
    expected = [moment]
    for length in range(1001, 1020):
        moment += COST(Work(1, 1, length, length))
        expected.append(moment)
    assert done.token_times == pytest.approx(expected)


@pytest.mark.parametrize("rate", [0.5, 0.8])
def test_one_slot_and_equal_requests_are_an_m_d_1_queue(rate):
    """Mean wait of the Pollaczek-Khinchine formula for a service of exactly 1 second: rate / (2 (1 - rate))."""
    requests = w.workload(60_000, w.Poisson(rate), w.Fixed(1), w.Fixed(1), seed=4)
    done = simulate(requests, Scheduler(policies.Continuous(1)), lambda work: 1.0)
    waits = [r.token_times[0] - r.arrival - 1.0 for r in done]
    assert sum(waits) / len(waits) == pytest.approx(rate / (2 * (1 - rate)), rel=0.06)


def test_static_slots_are_as_empty_as_the_closed_form_says():
    lengths = w.LogNormal(60, 1.0, 1000)

    def steps(policy):
        requests = w.workload(4000, w.AtOnce(), w.Fixed(1), lengths, seed=9)
        metrics = Metrics(simulate(requests, Scheduler(policy), lambda work: 1.0))
        return metrics.tokens, metrics.end

    tokens, static = steps(policies.Static(8))
    same, continuous = steps(policies.Continuous(8))
    draws = [r.max_tokens for r in w.workload(4000, w.AtOnce(), w.Fixed(1), lengths, seed=9)]
    assert tokens == same == sum(draws)
    assert tokens / (8 * static) == pytest.approx(batching.static_utilization(draws, 8), rel=0.04)
    assert tokens / (8 * continuous) > 0.98


def test_chunks_smooth_the_gaps_and_delay_the_first_token():
    """Four thousand tokens of prompt stop every answer for a whole prefill, unless they come in pieces."""
    cost = Roofline.from_datasheet(
        accelerator("h100_sxm"), model("llama-3-8b"), of_peak=0.5, of_bandwidth=0.9
    )

    def serve(policy):
        requests = w.workload(400, w.Poisson(4.0), w.Fixed(4000), w.Fixed(200), seed=6)
        return Metrics(simulate(requests, Scheduler(policy), cost))

    whole, chunked = serve(policies.Continuous(64)), serve(policies.ChunkedPrefill(64, token_budget=512))
    assert whole.itl(99) > 5 * chunked.itl(99)
    assert chunked.ttft(50) > whole.ttft(50)
    assert whole.throughput() == pytest.approx(chunked.throughput(), rel=0.05)


def opcodes(count):
    """Return the bytecodes run to serve an overloaded queue of ``count`` requests, blocks scarce."""
    requests = list(w.workload(count, w.AtOnce(), w.Fixed(5), w.Fixed(4), seed=1))
    scheduler = Scheduler(policies.ChunkedPrefill(4, token_budget=8), CountedBlocks(5, 4))
    ran = 0

    def trace(frame, event, argument):
        nonlocal ran
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        ran += event == "opcode"
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        done = sum(1 for _ in simulate(requests, scheduler, lambda work: 1.0))
    finally:
        sys.settrace(previous)
    assert done == count
    return ran


def test_the_work_for_a_request_does_not_grow_with_the_queue():
    few, many = opcodes(100), opcodes(400)
    assert many / few == pytest.approx(4, rel=0.03)


def test_requests_must_come_in_order():
    requests = [Request(0, 2.0, 1, 1), Request(1, 1.0, 1, 1)]
    with pytest.raises(LessonError, match="request 1 comes before 0"):
        list(simulate(requests, Scheduler(policies.Continuous(1)), lambda work: 1.0))


def test_an_idle_machine_waits_for_the_next_arrival_or_the_end_of_a_delay():
    requests = [Request(0, 1.0, 1, 1), Request(1, 9.0, 1, 1)]
    done = list(simulate(requests, Scheduler(policies.Dynamic(4, delay=2.0)), lambda work: 0.5))
    assert [r.token_times for r in done] == [[3.5], [11.5]]
    assert math.isinf(policies.Continuous(4).opens_at([]))
