import json
import random
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest

from lessons.experiments import batching as x
from lessons.experiments.base import Outcome
from lessons.experiments.batching.chunks import LONG, WRITERS, load, policy
from lessons.experiments.batching.disaggregation import (
    GOAL,
    LIMITS,
    MIXED,
    RATES,
    SPLIT,
    best_rate,
    mixed,
    split,
    step_cost,
)
from lessons.experiments.batching.disaggregation import load as trace
from lessons.experiments.batching.load import RATES as OFFERED
from lessons.experiments.batching.load import load as offer
from lessons.experiments.batching.load import saturated
from lessons.experiments.batching.load import served as simulated
from lessons.experiments.batching.service import SLOTS, Recorder, Served, cost, simulate
from lessons.experiments.batching.slots import PROMPT, queue
from lessons.experiments.batching.timeline import LONE, arrivals, policies
from lessons.formulas.batching import decode_step_time
from lessons.formulas.roofline import gemm, time_bound
from lessons.passport import Passport
from lessons.serving.costs import Work
from lessons.serving.loop import serve
from lessons.serving.metrics import Metrics
from lessons.serving.policies import Continuous, Static
from lessons.serving.scheduler import Scheduler
from lessons.serving.workload import AtOnce, Fixed, Poisson
from lessons.units import Quantity

PEAKS = {
    "cpu.bandwidth.read.dram.1": Quantity(16e9, "B/s"),
    "cpu.flops.int8.1": Quantity(900e9, "OP/s"),
    "cpu.product.packed.int8": Quantity(250e9, "OP/s"),
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


def test_the_gain_is_the_longest_of_a_batch_over_the_mean():
    lengths = [r.max_tokens for r in queue(x.slots.requests)]
    draws = random.Random(0)
    longest = [max(draws.choices(lengths, k=SLOTS)) for _ in range(20000)]
    value = x.slots.predict(PASSPORT).quantity.value
    assert value == pytest.approx(fmean(longest) / fmean(lengths), rel=0.02)


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


def test_the_timeline_shows_what_each_policy_does():
    data = x.timeline.predict(PASSPORT).data["runs"]
    assert set(data) == set(policies(1.0))
    assert data["static"]["wasted"] > 0 and data["dynamic"]["wasted"] > 0
    assert data["continuous"]["wasted"] == data["chunked prefill"]["wasted"] == 0
    assert data["chunked prefill"]["ttft"].value < data["static"]["ttft"].value
    step = cost(PASSPORT)(LONE)
    for run in data.values():
        assert run["arrivals"] == [r.arrival for r in arrivals(step)]
        assert all(bars[0][0] >= arrival for arrival, bars in zip(run["arrivals"], run["bars"]))


def test_the_load_of_the_timeline_is_counted_in_steps_so_that_it_is_the_same_on_every_machine():
    fast, slow = ([r.arrival for r in arrivals(step)] for step in (1e-3, 1.0))
    assert slow == pytest.approx([1000 * moment for moment in fast])
    # Sixteen gaps of six steps on average: 96 steps, give or take what chance allows.
    assert 40 < slow[-1] < 180
    twice = {key: Quantity(2 * peak.value, peak.unit) for key, peak in PEAKS.items()}
    ratios = [x.timeline.predict(replace(PASSPORT, peaks=peaks)).quantity.value for peaks in (PEAKS, twice)]
    assert ratios[1] == pytest.approx(ratios[0])


def test_a_smaller_step_bounds_the_gap_and_computes_the_same_prompt():
    runs = x.chunks.predict(PASSPORT).data["runs"]
    assert runs["16"]["p99"].value < runs["256"]["p99"].value < runs["whole"]["p99"].value
    assert all(len(run["gaps"]) == len(runs["whole"]["gaps"]) for run in runs.values())
    seconds = cost(PASSPORT)
    # 84 steps read 97 MB of weights, and 46 kB for each token before them, at 16 GB/s.
    expected = 84 * (96.9e6 + 46080 * (500 + 4 * 24)) / 16e9
    assert x.chunks.predict(PASSPORT).data["reading"] == pytest.approx(expected, rel=0.01)
    assert runs["whole"]["p99"].value > LONG * seconds.flop_per_token / seconds.peak
    # 1,004 rows of two operations a weight, five of them in the output head too, and attention over some half a
    # million pairs; at 16 rows arithmetic decides here, too.
    ends = x.chunks.predict(PASSPORT).ends
    gaps = [runs[name]["p99"].value for name in ("whole", "16")]
    assert [end.value for end in ends.values()] == pytest.approx(gaps)
    head, pairs = 5 * 2 * 28.3e6, 1000 * 1001 / 2 * 4 * 30 * 9 * 64
    assert ends["whole prompt"].value == pytest.approx((1004 * 2 * 106.2e6 + head + pairs) / 250e9, rel=0.01)
    assert ends["steps of 16"].value == pytest.approx((16 * 2 * 106.2e6 + head) / 250e9, rel=0.1)
    served = simulate(policy(256), load(), seconds)
    assert max(r.computed for r in served.requests) == LONG + 1
    assert sorted(r.id for r in served.requests) == list(range(WRITERS + 1))


def test_the_rate_rises_to_the_ridge_and_stays():
    prediction = x.rate.predict(PASSPORT)
    first, *_, last = prediction.data["rates"]
    # 97 MB of weights at 16 GB/s, and two operations for each of 134.5 million weights at 250 GFLOP/s.
    assert first == pytest.approx(16e9 / 96.9e6, rel=0.01)
    assert last == pytest.approx(250e9 / (2 * 134.5e6), rel=0.03)
    assert prediction.data["ridge"] == pytest.approx(last / first, rel=0.05)
    every = prediction.data["every"]
    assert [every[b - 1] for b in x.rate.batches] == prediction.data["rates"]
    assert every == pytest.approx(sorted(every))
    # The equation of the page adds the caches. They are so small that it hardly matters which of the two is taken.
    bound, context = cost(PASSPORT), x.rate.tokens
    row = bound.flop_per_token + bound.flop_per_sequence
    added = [
        decode_step_time(b, bound.weight_bytes, context * bound.kv_bytes, bound.bandwidth, row, bound.peak)
        for b in x.rate.batches
    ]
    assert [b / t for b, t in zip(x.rate.batches, added)] == pytest.approx(prediction.data["rates"], rel=0.1)


def test_rows_on_a_device_are_nearly_free_up_to_the_ridge():
    prediction = x.cuda.predict(PASSPORT)
    # The ridge for weights of two bytes; the activations of many rows add a little to the bytes.
    assert prediction.quantity.value == pytest.approx(6e14 / 3e12, rel=0.01)
    # Four layers of Llama 3 8B have 872 million weights: two bytes and, for each row, two operations of each.
    many, one = prediction.ends.values()
    assert one.value == pytest.approx(3e12 / (2 * 872e6), rel=0.002)
    assert many.value == pytest.approx(6e14 / (2 * 872e6), rel=0.002)


def test_the_products_of_a_layer_may_be_bound_together():
    """One by one, some may lie left of the ridge and others right of it: that makes 0.6 % at most."""
    bandwidth = PEAKS["cuda.bandwidth.read.dram"].value
    for ridge in np.arange(225, 242, 0.2):
        peaks = {**PEAKS, "cuda.matmul.bfloat16": Quantity(ridge * bandwidth, "FLOP/s")}
        gemms = [gemm(256, n, k, 2) for n, k in x.cuda.shapes()]
        seconds = x.cuda.layers * sum(time_bound(work, ridge * bandwidth, bandwidth) for work in gemms)
        together = x.cuda.predict(replace(PASSPORT, peaks=peaks)).ends["256 rows"]
        assert together.value == pytest.approx(256 / seconds, rel=0.006)


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


def test_separate_machines_wait_for_the_busier():
    prediction = x.disaggregation.predict(PASSPORT)
    assert 0.5 < prediction.quantity.value < 0.75
    prompt, writing = prediction.data["prompt"], prediction.data["writing"]
    assert prompt > 2 * writing
    separate, both = prediction.ends.values()
    assert separate.value == pytest.approx(1 / prompt) and both.value == pytest.approx(2 / (prompt + writing))
    # Some 2,000 tokens of 8 billion weights at half of 989 TFLOP/s, and their attention.
    assert prompt == pytest.approx(2000 * 2 * 8.03e9 / 494.5e12, rel=0.1)


def test_arithmetic_bounds_every_prompt():
    seconds = step_cost()
    for request in trace(1.0, x.disaggregation.requests):
        n = request.prompt_tokens
        work = Work(n, 1, n, n * (n + 1) // 2)
        assert seconds(work) == pytest.approx(seconds.flop(work) / seconds.peak)


def test_a_machine_saturates_where_its_arithmetic_does():
    prediction = x.load.predict(PASSPORT).quantity.value
    # Some 1,100 tokens of 8 billion weights at half of 989 TFLOP/s, and their attention.
    tokens = fmean(r.limit - 1 for r in offer(AtOnce(), x.load.requests))
    assert prediction == pytest.approx(494.5e12 / (tokens * 2 * 8.03e9), rel=0.05)
    assert saturated(simulated(AtOnce(), 600)) == pytest.approx(prediction, rel=0.1)


def test_the_middle_half_of_a_run_is_what_is_counted():
    requests = simulated(AtOnce(), 40)
    for i, request in enumerate(
        requests
    ):  # ten fast at the start, twenty at one a second, ten fast at the end
        request.token_times = [min(max(i - 10, 0), 20) + 0.001 * i]
    assert saturated(requests) == pytest.approx(1, rel=0.01)


def test_the_wait_is_short_at_half_of_saturation_and_grows_with_the_test_beyond_it():
    prediction = x.load.predict(PASSPORT).quantity.value

    def wait(share, count):
        return Metrics(simulated(Poisson(share * prediction), count)).ttft(50)

    assert wait(0.5, 300) == pytest.approx(wait(0.5, 600), rel=0.2)
    assert wait(1.5, 600) > 1.5 * wait(1.5, 300) > 5 * wait(0.5, 300)
    assert max(OFFERED) > 1.1 * prediction and min(OFFERED) < 0.3 * prediction


def test_a_decode_row_that_rides_costs_less_by_the_ridge_over_the_rows():
    """The closed form of the page, without caches: a row's share of the reading over its own arithmetic."""
    seconds = replace(step_cost(), kv_bytes=0, flop_per_pair=0)
    ridge = seconds.weight_bytes / seconds.bandwidth * seconds.peak / seconds.flop_per_token
    for rows in (8, 32, 128):
        alone = seconds(Work(rows, rows, 0, 0)) / rows
        riding = (seconds(Work(512, rows, 0, 0)) - seconds(Work(512 - rows, 1, 0, 0))) / rows
        assert alone / riding == pytest.approx(ridge / rows)


@pytest.mark.parametrize("experiment", [x.timeline, x.chunks])
def test_what_was_simulated_can_be_drawn(experiment):
    from lessons import figures

    outcome = experiment.predict(PASSPORT)
    figure, axes = figures.new(experiment.panels)
    experiment.draw(outcome, outcome, figure)
    assert all(ax.lines or ax.patches for ax in axes)


def test_predictions_are_json():
    for experiment in x.EXPERIMENTS:
        outcome = experiment.predict(PASSPORT)
        assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))).quantity == outcome.quantity


class Unsteady:
    """A clock on which every step takes a second, and each third one by a tenth longer."""

    def __init__(self):
        self.time, self.steps = 0.0, 0

    def now(self):
        return self.time

    def wait_until(self, moment):
        self.time = max(self.time, moment)

    def run(self, batch):
        self.steps += 1
        self.time += 1.1 if self.steps % 3 == 0 else 1.0
        return ()


def test_a_time_met_once_is_as_uncertain_as_steps_of_one_kind_are():
    record = Recorder(Unsteady())
    done = list(serve(queue(SLOTS), Scheduler(Static(SLOTS)), record))
    measured = Served(done, Metrics(done), record, timed=True)
    assert record.spread() == pytest.approx((1.0, 1.1))
    once = measured.interval(10.0)
    assert (once.value, once.low, once.high) == pytest.approx((10.0, 10.0, 11.0))
    assert simulate(Static(SLOTS), queue(SLOTS), same_step).interval(10.0) == Quantity(10.0, "s")


def test_a_lone_step_says_nothing_of_the_spread():
    record = Recorder(Unsteady())
    record.alike = {(1, 1): [5.0], (2, 2): [1.0]}
    assert record.spread() == (1.0, 1.0)


def about(value, unit="1", sure=0.03):
    """A measured quantity with its interval."""
    return Quantity(value, unit, (1 - sure) * value, (1 + sure) * value, 9)


def decoded(one, sixteen, eight=None, passport=PASSPORT):
    """A result of ``rate`` in shares of the prediction, with one sequence, with 16, and with eight as with 16."""
    bounds = x.rate.predict(passport).data["rates"]
    factors = [one, *[sixteen] * (len(bounds) - 3), eight or sixteen, sixteen]
    rates = [about(factor * bound, "tokens/s") for factor, bound in zip(factors, bounds)]
    ends = dict(zip(x.rate.predict(passport).ends, (rates[-1], rates[0])))
    return Outcome(rates[-1].ratio(rates[0]), {"rates": rates}, ends=ends)


def multiplied(share, one=1.0):
    """A result of ``cuda``, the gain in shares of the predicted one, and so the rate with one row."""
    prediction = x.cuda.predict(PASSPORT)
    many, first = prediction.ends
    rate = about(one * prediction.ends[first].value, "tokens/s")
    gain = share * prediction.quantity.value
    ends = {many: rate.scaled(gain), first: rate}
    return Outcome(about(gain), {"rates": [rate] * len(x.cuda.rows)}, ends=ends)


def queued(gain, same=True):
    rates = {"static": about(100.0, "tokens/s"), "continuous": Quantity(100 * gain, "tokens/s", n=1)}
    return Outcome(about(gain), {"used": 0.4, "rates": rates, "same": same})


def served(window=1.0, pace=1.0, static=1.0, chunked=1.0, sure=0.03, soon=1.0, memory=1.0):
    """A result of ``timeline``: the simulated clock's, with some medians so many times as long.

    ``soon`` says how many times as long a token after the first takes under static batching as in chunks, and the
    clock is that of a memory which is ``memory`` times as fast as the passport's.
    """
    peaks = {**PEAKS, "cpu.bandwidth.read.dram.1": PEAKS["cpu.bandwidth.read.dram.1"].scaled(memory)}
    clock = x.timeline.predict(replace(PASSPORT, peaks=peaks)).data
    runs = {name: dict(run) for name, run in clock["runs"].items()}
    for name, factor in (("static", static), ("chunked prefill", chunked)):
        runs[name]["ttft"] = about(factor * runs[name]["ttft"].value, "s", sure)
    runs["dynamic"]["ttft"] = runs["static"]["ttft"].scaled(window)
    paced = about(runs["chunked prefill"]["tpot"].value, "s")
    for name, factor in (("static", soon), ("chunked prefill", 1.0), ("continuous", pace)):
        runs[name]["tpot"] = paced.scaled(factor)
    ends = {name: runs[name]["ttft"] for name in x.timeline.predict(PASSPORT).ends}
    data = {"runs": runs, "lone": clock["lone"]}
    return Outcome(runs["static"]["ttft"].ratio(runs["chunked prefill"]["ttft"]), data, ends=ends)


def arrived(whole=1.0, small=1.0, late=(1.0, 1.0), end=1.0):
    """A result of ``chunks``: the worst gaps in multiples of the simulated ones, whole and in steps of 16.

    ``late`` says how many times as long as for the whole prompt the newcomer waits in steps of 256 and of 16, and
    ``end`` when the others' last token comes with the prompt whole, in multiples of when it does in pieces.
    """
    foretold = x.chunks.predict(PASSPORT).data["runs"]
    runs = {name: dict(run) for name, run in foretold.items()}
    for name, factor, wait in zip(runs, (whole, 1.0, small), (1.0, *late)):
        runs[name]["p99"] = about(factor * foretold[name]["p99"].value, "s")
        runs[name]["first"] = about(wait, "s")
        runs[name]["end"] = about(end if name == "whole" else 1.0, "s")
    ends = dict(zip(x.chunks.predict(PASSPORT).ends, (runs["whole"]["p99"], runs["16"]["p99"])))
    return Outcome(runs["whole"]["p99"].ratio(runs["16"]["p99"]), {"runs": runs}, ends=ends)


def offered(share=1.0, waits=(0.1, 0.2, 5.0)):
    """A result of ``load``: saturation in shares of the predicted one, and the 99th percentile at light, medium and
    heavy load, which lies beyond saturation."""
    light, medium, heavy = waits
    p99 = [light] + [medium] * (len(OFFERED) - 3) + [heavy] * 2
    data = {"p50": [0.5 * wait for wait in p99], "p99": p99, "tpot": [0.01] * len(OFFERED)}
    return Outcome(x.load.predict(PASSPORT).quantity.scaled(share), data)


def carried(share, separate, together, full=1.0):
    """A result of ``disaggregation``: the quantity in shares of the predicted one, and requests/s by the limit.

    ``full`` is what the mixed machines carry, in shares of what they do when filled to the brim.
    """
    prediction = x.disaggregation.predict(PASSPORT)
    goodput = {**dict.fromkeys(MIXED, together), SPLIT: separate}
    by_itself, both = prediction.ends
    brim, found = prediction.ends[both], share * prediction.quantity.value
    ends = {by_itself: brim.scaled(full * found), both: brim.scaled(full)}
    return Outcome(ratio(found), {"goodput": goodput, "mixed": together}, ends=ends)


ALIKE = ["window-alike", "writers-alike"]
MISSED = ["waits-missed", "step-leaves"]
LATE = [*MISSED, "waits-longer"]
# No ridge within 16 sequences: memory bounds them all.
FEW_BYTES = replace(PASSPORT, peaks={**PEAKS, "cpu.product.packed.int8": Quantity(2e12, "OP/s")})
# A ridge below one sequence: arithmetic bounds them all.
SLOW = replace(PASSPORT, peaks={**PEAKS, "cpu.product.packed.int8": Quantity(15e9, "OP/s")})
BOUNDED = "worst-gap-bounded"
FEW, MANY = [5.0] * len(LIMITS), [10.0] * len(LIMITS)
TIGHT = [12.0, *FEW[1:]]  # more only where the limit is tight
EXAMPLES = [
    (x.rate, PASSPORT, decoded(1.0, 1.0), ["some-free", "as-foreseen"]),
    (x.rate, PASSPORT, decoded(0.5, 0.5), ["some-free", "errors-cancel"]),
    (x.rate, PASSPORT, decoded(1.0, 0.5), ["some-free", "less-than-foreseen", "many-missed", "rows-cost"]),
    (x.rate, PASSPORT, decoded(0.5, 1.0), ["some-free", "more-than-foreseen", "one-missed", "one-explains"]),
    (x.rate, PASSPORT, decoded(0.5, 0.8), ["some-free", "more-than-foreseen", "one-missed"]),
    (x.rate, PASSPORT, decoded(0.8, 1.0), ["some-free", "cant-tell"]),
    (
        x.rate,
        PASSPORT,
        decoded(2.4, 0.87),
        ["some-free", "less-than-foreseen", "one-missed", "one-explains", "faster-than-memory"],
    ),
    (
        x.rate,
        PASSPORT,
        decoded(1.5, 0.7),
        ["some-free", "less-than-foreseen", "both-missed", "rows-cost", "faster-than-memory"],
    ),
    (
        x.rate,
        PASSPORT,
        decoded(1.0, 1.5),
        ["some-free", "more-than-foreseen", "many-missed", "faster-than-product"],
    ),
    (x.rate, PASSPORT, decoded(1.0, 1.0, eight=1.2), ["some-free", "as-foreseen", "fewer-best"]),
    (
        x.rate,
        FEW_BYTES,
        decoded(1.0, 1.5, passport=FEW_BYTES),
        ["some-free", "more-than-foreseen", "many-missed", "faster-than-memory"],
    ),
    (
        x.rate,
        SLOW,
        decoded(0.67, 1.0, passport=SLOW),
        ["none-free", "more-than-foreseen", "one-missed", "step-explains"],
    ),
    (
        x.rate,
        SLOW,
        decoded(1.5, 1.0, passport=SLOW),
        ["none-free", "less-than-foreseen", "one-missed", "step-explains", "fewer-best"],
    ),
    (x.cuda, PASSPORT, multiplied(1.0), ["as-foreseen"]),
    (x.cuda, PASSPORT, multiplied(1.0, one=0.5), ["errors-cancel"]),
    (x.cuda, PASSPORT, multiplied(0.5), ["less-than-foreseen"]),
    (x.cuda, PASSPORT, multiplied(1.5), ["more-than-foreseen"]),
    (x.cuda, PASSPORT, multiplied(0.8), ["cant-tell"]),
    (x.slots, PASSPORT, queued(2.4), ["same-answers", "as-foreseen"]),
    (x.slots, PASSPORT, queued(2.4, same=False), ["other-answers", "as-foreseen"]),
    (x.slots, PASSPORT, queued(1.2), ["same-answers", "less-than-foreseen", "steps-unequal"]),
    (x.slots, PASSPORT, queued(3.3), ["same-answers", "more-than-foreseen", "luck-of-the-order"]),
    (x.slots, PASSPORT, queued(3.53), ["same-answers", "more-than-foreseen"]),
    (x.slots, PASSPORT, queued(4.5), ["same-answers", "more-than-foreseen", "steps-unequal"]),
    (x.slots, PASSPORT, queued(1.97), ["same-answers", "cant-tell"]),
    (x.timeline, PASSPORT, served(), [*ALIKE, "as-foreseen"]),
    (x.timeline, PASSPORT, served(window=1.5), ["window-costs", "writers-alike", "as-foreseen"]),
    (x.timeline, PASSPORT, served(window=0.6, pace=1.5), ["window-pays", "writers-spared", "as-foreseen"]),
    (
        x.timeline,
        PASSPORT,
        served(static=4.0, chunked=1.5),
        [*ALIKE, "more-than-foreseen", *LATE, "static-longest"],
    ),
    (x.timeline, PASSPORT, served(static=2.0, chunked=2.0), [*ALIKE, "errors-cancel", *LATE]),
    (x.timeline, PASSPORT, served(static=0.5, chunked=0.5), [*ALIKE, "errors-cancel", *MISSED]),
    (x.timeline, PASSPORT, served(static=0.5), [*ALIKE, "less-than-foreseen", *MISSED]),
    (x.timeline, PASSPORT, served(soon=0.7), [*ALIKE, "static-paces", "waiters-pay", "as-foreseen"]),
    (
        x.timeline,
        PASSPORT,
        served(soon=0.7, chunked=5.0),
        [*ALIKE, "static-paces", "less-than-foreseen", *LATE],
    ),
    (
        x.timeline,
        PASSPORT,
        served(memory=4.0),
        [*ALIKE, "less-than-foreseen", "waits-missed", "step-explains"],
    ),
    (x.timeline, PASSPORT, served(sure=0.3), [*ALIKE, "cant-tell"]),
    (x.chunks, PASSPORT, arrived(), [BOUNDED, "as-foreseen", "newcomer-alike"]),
    (x.chunks, PASSPORT, arrived(1.7, 1.8), [BOUNDED, "errors-cancel", "newcomer-alike"]),
    (x.chunks, PASSPORT, arrived(end=1.5), [BOUNDED, "as-foreseen", "newcomer-alike", "decoding-rides"]),
    (x.chunks, PASSPORT, arrived(3.0), [BOUNDED, "more-than-foreseen", "newcomer-alike"]),
    (
        x.chunks,
        PASSPORT,
        arrived(0.01, late=(1.1, 1.5)),
        ["worst-gap-alike", "less-than-foreseen", "newcomer-pays", "mostly-reading"],
    ),
    (
        x.chunks,
        PASSPORT,
        arrived(late=(1.1, 2.3)),
        [BOUNDED, "as-foreseen", "newcomer-pays"],
    ),
    (
        x.chunks,
        PASSPORT,
        arrived(late=(1.1, 5.0)),
        [BOUNDED, "as-foreseen", "newcomer-pays", "mostly-other"],
    ),
    (
        x.chunks,
        PASSPORT,
        arrived(1.25, late=(1.5, 0.7)),
        [BOUNDED, "cant-tell", "newcomer-gains", "middle-is-worst"],
    ),
    (x.load, PASSPORT, offered(), ["as-foreseen", "runs-away", "limit-first"]),
    (x.load, PASSPORT, offered(0.7, (0.1, 0.6, 0.9)), ["less-than-foreseen", "no-end-seen", "limit-first"]),
    (x.load, PASSPORT, offered(1.3, (0.01, 0.02, 0.3)), ["more-than-foreseen", "runs-away", "limit-first"]),
    (x.load, PASSPORT, offered(1.0, (0.1, 0.1, 0.4)), ["as-foreseen", "no-end-seen", "limit-kept"]),
    (x.disaggregation, PASSPORT, carried(1.0, FEW, MANY), ["as-foreseen", "never-ahead", "no-throughput"]),
    (
        x.disaggregation,
        PASSPORT,
        carried(1.0, FEW, MANY, 0.7),
        ["errors-cancel", "never-ahead", "no-throughput"],
    ),
    (x.disaggregation, PASSPORT, carried(0.6, TIGHT, MANY), ["less-than-foreseen", "ahead", "no-throughput"]),
    (x.disaggregation, PASSPORT, carried(2.0, MANY, FEW), ["more-than-foreseen", "ahead"]),
]
