import json

import pytest

from lessons.experiments import batching as x
from lessons.experiments.base import Outcome
from lessons.experiments.batching.chunks import LONG, WRITERS, load, policy
from lessons.experiments.batching.disaggregation import (
    GOAL,
    LIMITS,
    RATES,
    SPLIT,
    best_rate,
    mixed,
    split,
    step_cost,
)
from lessons.experiments.batching.disaggregation import load as trace
from lessons.experiments.batching.service import SLOTS, cost, simulate
from lessons.experiments.batching.slots import PROMPT, queue
from lessons.experiments.batching.timeline import POLICIES, arrivals
from lessons.passport import Passport
from lessons.serving.policies import Continuous, Static
from lessons.serving.workload import Fixed
from lessons.units import Quantity

PEAKS = {
    "cpu.bandwidth.read.dram.1": Quantity(16e9, "B/s"),
    "cpu.flops.int8.1": Quantity(250e9, "OP/s"),
    "cuda.bandwidth.read.dram": Quantity(3e12, "B/s"),
    "cuda.matmul.bfloat16": Quantity(6e14, "FLOP/s"),
}
PASSPORT = Passport({"cores": 2, "caches": []}, "made up", "2026-01-01", {}, PEAKS)


def same_step(work):
    """Every step takes a second, whoever is in it."""
    return 1.0


def ratio(value):
    return Quantity(value, "1")


def test_the_record_counts_the_rows_of_finished_requests():
    requests = queue(SLOTS)
    longest, tokens = max(r.max_tokens for r in requests), sum(r.max_tokens for r in requests)
    served = simulate(Static(SLOTS), requests, same_step)
    assert served.record.steps == longest
    assert served.record.rows == SLOTS * longest
    assert served.record.wasted == SLOTS * longest - tokens
    for request in served.requests:
        bars = served.record.bars[request.id]
        assert bars[0][2] == "prefill" and bars[0][:2] == (0.0, 1.0)
        assert [bar[0] for bar in bars[1:]] == [bar[1] for bar in bars[:-1]]
        assert bars[-1][1] == longest
        assert (bars[-1][2] == "wasted") == (request.max_tokens < longest)


def test_steps_of_one_length_give_the_closed_form_of_this_order():
    prediction = x.slots.predict(PASSPORT)
    static = simulate(Static(SLOTS), queue(x.slots.requests), same_step)
    continuous = simulate(Continuous(SLOTS), queue(x.slots.requests), same_step)
    assert static.queued_rate() / SLOTS == pytest.approx(prediction.data["this_order"])
    assert continuous.queued_rate() / SLOTS == pytest.approx(1, rel=0.01)
    assert continuous.record.wasted == 0


def test_the_formula_is_the_mean_over_many_orders():
    lengths = [r.max_tokens for r in queue(SLOTS * 2000)]
    used = sum(lengths) / (SLOTS * sum(max(lengths[i : i + SLOTS]) for i in range(0, len(lengths), SLOTS)))
    from lessons.formulas.batching import static_utilization

    assert used == pytest.approx(static_utilization(lengths, SLOTS), rel=0.03)


def test_equal_answers_hide_the_difference():
    rates = [simulate(p(SLOTS), queue(24, Fixed(10)), same_step).queued_rate() for p in (Static, Continuous)]
    assert rates[0] == rates[1]


def test_no_step_of_the_slots_leaves_the_compiled_pass():
    from lessons.experiments.batching.service import ROWS

    assert SLOTS * PROMPT <= ROWS


@pytest.mark.parametrize(
    ("measured", "steps", "words"),
    [(2.4, 200, "hardly anything else"), (1.2, 230, "did not follow"), (3.3, 330, "luck of the order")],
)
def test_slots_explains_each_case(measured, steps, words):
    data = {
        "used": 0.4,
        "steps": {"static": steps, "continuous": 100},
        "rates": {"static": 1.0, "continuous": measured},
        "same": measured > 2,
    }
    text = x.slots.explain(x.slots.predict(PASSPORT), Outcome(ratio(measured), data))
    assert words in text
    assert ("token for token" in text) == data["same"]


def test_the_timeline_shows_what_each_policy_does():
    data = x.timeline.predict(PASSPORT).data["runs"]
    assert set(data) == set(POLICIES)
    assert data["static"]["wasted"] > 0 and data["dynamic"]["wasted"] > 0
    assert data["continuous"]["wasted"] == data["chunked prefill"]["wasted"] == 0
    assert data["chunked prefill"]["ttft"] < data["static"]["ttft"]
    for run in data.values():
        assert run["arrivals"] == [r.arrival for r in arrivals()]
        assert all(bars[0][0] >= arrival for arrival, bars in zip(run["arrivals"], run["bars"]))


@pytest.mark.parametrize(
    ("dynamic", "continuous", "measured", "words"),
    [
        (1.5, 0.01, 5, ["made the wait longer", "foresaw"]),
        (0.5, 0.05, 50, ["paid here", "wait for it", "missed the factor"]),
        (1.0, 0.01, 5, ["changed little", "foresaw"]),
    ],
)
def test_timeline_explains_each_case(dynamic, continuous, measured, words):
    run = {"ttft": 1.0, "tpot": 0.01, "wasted": 0, "rows": 1}
    runs = {name: dict(run) for name in POLICIES}
    runs["dynamic"]["ttft"], runs["continuous"]["tpot"] = dynamic, continuous
    text = x.timeline.explain(Outcome(ratio(5), {"runs": runs}), Outcome(ratio(measured), {"runs": runs}))
    assert all(word in text for word in words)
    assert ("wait for it" in text) == ("wait for it" in words)


def test_a_smaller_step_bounds_the_gap_and_computes_the_same_prompt():
    runs = x.chunks.predict(PASSPORT).data["runs"]
    assert runs["16"]["p99"] < runs["256"]["p99"] < runs["whole"]["p99"]
    assert all(len(run["gaps"]) == len(runs["whole"]["gaps"]) for run in runs.values())
    seconds = cost(PASSPORT)
    assert runs["whole"]["p99"] > LONG * seconds.flop_per_token / seconds.peak
    served = simulate(policy(256), load(), seconds)
    assert max(r.computed for r in served.requests) == LONG + 1
    assert sorted(r.id for r in served.requests) == list(range(WRITERS + 1))


@pytest.mark.parametrize(
    ("middle", "small", "words"),
    [(1.0, 2.0, "newcomer pays"), (1.0, 1.0, "does not even pay"), (1.5, 1.0, "once for each piece")],
)
def test_chunks_explains_each_case(middle, small, words):
    run = {"p99": 1.0, "p50": 0.01, "throughput": 100.0}
    runs = {"whole": {**run, "first": 1.0}, "256": {**run, "first": middle}, "16": {**run, "first": small}}
    outcome = Outcome(ratio(1.0), {"runs": runs})
    assert words in x.chunks.explain(outcome, outcome)


def test_the_rate_rises_to_the_ridge_and_stays():
    prediction = x.rate.predict(PASSPORT)
    first, *_, last = prediction.data["rates"]
    # 97 MB of weights at 16 GB/s, and two operations for each of 134.5 million weights at 250 GFLOP/s.
    assert first == pytest.approx(16e9 / 96.9e6, rel=0.01)
    assert last == pytest.approx(250e9 / (2 * 134.5e6), rel=0.03)
    assert prediction.data["ridge"] == pytest.approx(last / first, rel=0.05)


@pytest.mark.parametrize(
    ("measured", "words"), [(3, "gains less"), (5, "two roofs allow"), (9, "gains more")]
)
def test_rate_explains_each_case(measured, words):
    prediction = Outcome(ratio(5), {"ridge": 5.0})
    assert words in x.rate.explain(prediction, Outcome(ratio(measured), {}))


def test_rows_on_a_device_are_nearly_free_up_to_the_ridge():
    prediction = x.cuda.predict(PASSPORT)
    # The ridge for weights of two bytes; the activations of many rows add a little to the bytes.
    assert prediction.quantity.value == pytest.approx(6e14 / 3e12, rel=0.01)
    rates = {"rates": [1.0] * len(x.cuda.rows)}
    assert "less than the bound" in x.cuda.explain(prediction, Outcome(ratio(1), rates))
    assert "nearly free" in x.cuda.explain(prediction, Outcome(prediction.quantity, rates))


def test_the_best_rate_is_the_last_before_a_miss():
    assert best_rate([1.0] * len(RATES)) == RATES[-1]
    assert best_rate([GOAL, GOAL, 0.5, 1.0, *[1.0] * (len(RATES) - 4)]) == RATES[1]
    assert best_rate([0.0] * len(RATES)) == 0


def test_separate_machines_serve_the_same_requests_without_stalls():
    seconds, count = step_cost(), 60
    apart, together = split(trace(10, count), seconds), mixed(trace(10, count), Continuous(256), seconds)
    assert len(apart) == len(together) == count
    assert apart.tokens == together.tokens
    assert apart.itl(99) < together.itl(99) / 3
    assert apart.ttft(50) > together.ttft(50)


def test_disaggregation_is_explained_by_where_it_wins():
    prediction = x.disaggregation.predict(PASSPORT)
    assert 0.5 < prediction.quantity.value < 0.75
    assert prediction.data["prompt"] > 2 * prediction.data["writing"]
    behind = [1.0] * len(LIMITS)
    for ahead, words in (([0.5] * len(LIMITS), "No limit"), ([2.0, *behind[1:]], "carry **more**")):
        data = {"goodput": {SPLIT: ahead}, "mixed": behind}
        text = x.disaggregation.explain(prediction, Outcome(prediction.quantity, data))
        assert words in text and "Simulated, not measured" in text and "to the brim" not in text
        assert "to the brim" in x.disaggregation.explain(prediction, Outcome(ratio(0.4), data))


@pytest.mark.parametrize("experiment", [x.timeline, x.chunks])
def test_what_was_simulated_can_be_drawn_and_told(experiment):
    from lessons import figures

    outcome = experiment.predict(PASSPORT)
    figure, axes = figures.new(experiment.panels)
    experiment.draw(outcome, outcome, figure)
    assert all(ax.lines or ax.patches for ax in axes)
    assert len(experiment.alt(outcome, outcome)) > 100


def test_predictions_are_json():
    for experiment in x.EXPERIMENTS:
        json.dumps(experiment.predict(PASSPORT).to_json())
