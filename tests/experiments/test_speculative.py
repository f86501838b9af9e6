from dataclasses import replace

import pytest

from lessons.experiments import speculative as x
from lessons.experiments.base import Outcome
from lessons.experiments.speculative.passes import (
    DEVICE,
    FLOATS,
    PACKED,
    predicted_curve,
)
from lessons.experiments.speculative.speed_up import _halves_apart
from lessons.experiments.speculative.tokens import _tokens
from lessons.llm.speculative import Step
from lessons.passport import Passport
from lessons.units import Quantity

PEAKS = {
    "cpu.bandwidth.read.dram.1": Quantity(40e9, "B/s"),
    "cpu.matmul.float32.1": Quantity(100e9, "FLOP/s"),
    "cpu.flops.int8.1": Quantity(900e9, "OP/s"),
    "cpu.product.packed.int8": Quantity(400e9, "OP/s"),
}
PASSPORT = Passport({"cores": 2, "caches": []}, "made up", "2026-01-01", {}, PEAKS)
# Without an instruction for products of bytes: even one token waits for arithmetic.
SLOW = replace(PASSPORT, peaks={**PEAKS, "cpu.product.packed.int8": Quantity(20e9, "OP/s")})


def test_the_predicted_curve_is_flat_up_to_the_ridge():
    # The ridge is at 2.5 FLOP a byte, which is 5 rows of float32 weights.
    curve = predicted_curve(PASSPORT, FLOATS)
    assert curve[:5] == pytest.approx([1] * 5) and curve[9] == pytest.approx(2)
    # Of 10 operations a byte: the packed weights have 5.7 bits each, so 3.6 rows.
    packed = predicted_curve(PASSPORT, PACKED)
    assert packed[:3] == pytest.approx([1] * 3) and packed[7] == pytest.approx(8 / 3.58, rel=0.01)
    prediction = x.verify_cost.predict(PASSPORT)
    assert prediction.quantity.value == pytest.approx(packed[7])
    # Two operations for each of 134.5 million weights at 400 GOP/s, and 96.4 MB at 40 GB/s.
    eight, one = prediction.ends.values()
    assert eight.value == pytest.approx(8 * 2 * 134.5e6 / 400e9, rel=1e-3)
    assert one.value == pytest.approx(96.4e6 / 40e9, rel=1e-3)


def test_eight_rows_are_free_on_a_card_whose_ridge_is_far():
    peaks = {
        "cuda.bandwidth.read.dram": Quantity(3e12, "B/s"),
        "cuda.matmul.bfloat16": Quantity(6e14, "FLOP/s"),
    }
    prediction = x.cuda.predict(Passport({"gpus": ["made up"]}, "made up", "2026-01-01", {}, peaks))
    assert prediction.quantity.value == 1
    assert [end.value for end in prediction.ends.values()] == pytest.approx([269.0e6 / 3e12] * 2, rel=1e-3)


def test_tokens_are_predicted_by_the_published_acceptance():
    value = x.tokens.predict(PASSPORT).quantity.value
    assert value == pytest.approx((1 - 0.75**8) / 0.25)


def test_the_tokens_of_a_pass_are_their_mean_within_what_chance_allows():
    # Four passes that kept 0, 2, 2 and 7 guesses.
    tokens = _tokens([4, 3, 3, 1, 1, 1, 1, 1])
    assert tokens.value == (1 + 3 + 3 + 8) / 4 and tokens.n == 4
    assert 1 <= tokens.low < tokens.value < tokens.high <= 8


def test_the_halves_of_an_answer_tell_the_noise():
    steps = [Step(0, 0, 1, seconds) for seconds in (1.0, 1.0, 9.0, 2.0, 1.0)]
    assert _halves_apart(steps) == 1.5 == _halves_apart(steps[::-1])
    assert _halves_apart(steps[:1]) == 1.0


def test_speed_up_predicts_the_best_length_for_the_curve():
    # Verification is free for four rows less, and 8 rows cost 8 / 3.58: the fourth guess would bring 0.32 tokens
    # for 0.40 passes, the third brings 0.42 for 0.12.
    assert x.speed_up.predict(PASSPORT).quantity.value == pytest.approx(2.734 / 1.117, rel=0.01)


def spread(value, by=0.03):
    """A measured ratio that is known to 3 %."""
    return Quantity(value, "1", (1 - by) * value, (1 + by) * value, 9)


def curve(eighth, *after, rows=8):
    """A curve that goes up to ``eighth`` evenly, and then through ``after``."""
    even = [1 + (eighth - 1) * k / (rows - 1) for k in range(rows)]
    return [spread(cost) for cost in [*even, *after]]


def passed(cost, bound, one=1.0):
    """Both times that a curve's eighth cost divides: the pass over one takes so many times ``bound``."""
    eight, single = x.verify_cost.predict(PASSPORT).ends
    seconds = Quantity(one * bound, "s", 0.98 * one * bound, 1.02 * one * bound, 9)
    return {eight: seconds.scaled(cost), single: seconds}


def verified(times, floats=(1.6, 1.7, 1.8, 1.9, 2.0), seventeenth=1.0, one=1.0, low=None, passport=PASSPORT):
    """A result of ``verify_cost``: passes over eight in multiples of what is predicted, and what the last row adds.

    ``low`` is the lower end of the interval, where it reaches further than 3 %.
    """
    prediction = x.verify_cost.predict(passport)
    eighth = times * prediction.quantity.value
    sixteenth = 1 + (eighth - 1) * 15 / 7
    packed = curve(sixteenth, seventeenth * (sixteenth + (sixteenth - 1) / 15), rows=16)
    packed[7] = replace(packed[7], low=low or packed[7].low)
    ends = passed(eighth, prediction.ends["a pass over one"].value, one)
    return Outcome(packed[7], {"curves": {FLOATS: curve(*floats), PACKED: packed}}, ends=ends)


def written(reached, formula):
    data = {"acceptance": spread(0.7), "reached": reached, "formula": formula}
    return Outcome(_tokens(reached), data)


def timed(grounded, together=(1.2, 1.1, 1.5), noise=1.1, opened=1.0):
    """A result of ``speed_up`` with one grounded prompt and an open one, whose passes write 1.5 tokens each.

    Their allowance lets guesses cost 3 % of the speed.
    """
    rows = [
        {
            "name": name,
            "kind": kind,
            "speed-up": Quantity(s, "1", s / noise, s * noise, 1),
            "tokens a pass": 1.5,
            "slowest": 0.97,
        }
        for name, kind, s in (("quote", "grounded", grounded), ("story", "open", opened))
    ]
    data = {"rows": rows, "length": 3, "noise": noise}
    return Outcome(Quantity(together[0], "1", *together[1:], 5), data)


def on_device(eighth, one=1.0, by=0.03):
    """A result of ``cuda``: a pass over one takes so many times its bound, a millisecond."""
    costs = [spread(cost, by) for cost in [*[1.0] * 7, eighth, *[eighth] * 4]]
    return Outcome(costs[7], {"curves": {DEVICE: costs}}, ends=passed(eighth, 1e-3, one))


def foretold(eighth):
    """A prediction for ``cuda``."""
    ends = passed(eighth, 1e-3)
    return Outcome(Quantity(eighth, "1"), {"curves": {DEVICE: [1.0] * 7 + [eighth] * 5}}, ends=ends)


FREE, DEAR = foretold(1.0), foretold(2.0)
ONE = x.verify_cost.predict(PASSPORT).ends["a pass over one"].value
EIGHT_FREE = Outcome(Quantity(1.0, "1"), {"curves": {}}, ends=passed(1.0, ONE))
REACHED = [40, 30, 22, 16, 12, 9, 7, 5]
EXAMPLES = [
    (x.verify_cost, PASSPORT, verified(1.0), ["rows-cost", "as-foreseen"]),
    (x.verify_cost, PASSPORT, verified(1.0, one=1.5), ["rows-cost", "errors-cancel"]),
    (x.verify_cost, PASSPORT, verified(1.5), ["rows-cost", "more-than-foreseen", "more-work"]),
    (x.verify_cost, PASSPORT, verified(1.5, one=0.3), ["rows-cost", "more-than-foreseen", "under-bound"]),
    (x.verify_cost, PASSPORT, verified(0.6), ["rows-cost", "less-than-foreseen", "one-reads"]),
    (
        x.verify_cost,
        SLOW,
        verified(0.6, passport=SLOW),
        ["rows-cost", "less-than-foreseen", "one-computes"],
    ),
    (x.verify_cost, PASSPORT, verified(0.6, one=0.3), ["rows-cost", "less-than-foreseen", "under-bound"]),
    (x.verify_cost, PASSPORT, verified(0.8), ["rows-cost", "cant-tell"]),
    (x.verify_cost, EIGHT_FREE, verified(0.45), ["flat", "as-foreseen"]),
    (x.verify_cost, PASSPORT, verified(1.0, low=0.84), ["cost-unsure", "cant-tell"]),
    (
        x.verify_cost,
        PASSPORT,
        verified(1.0, floats=(1.6, 3.0, 3.1, 3.2, 3.3)),
        ["rows-cost", "as-foreseen", "float-step", "kernel-decides"],
    ),
    (
        x.verify_cost,
        PASSPORT,
        verified(1.0, seventeenth=1.2),
        ["rows-cost", "as-foreseen", "packed-step", "kernel-decides"],
    ),
    (x.tokens, PASSPORT, written(REACHED, 5.5), ["fewer"]),
    (x.tokens, PASSPORT, written(REACHED, 3.5), ["cant-tell"]),
    (x.tokens, PASSPORT, written(REACHED, 2.5), ["more"]),
    (x.speed_up, PASSPORT, timed(1.3), ["gain", "none-lost"]),
    (x.speed_up, PASSPORT, timed(1.6, opened=1.7), ["gain", "beyond-tokens", "none-lost"]),
    (x.speed_up, PASSPORT, timed(0.95, (1.1, 0.95, 1.4)), ["depends", "none-lost"]),
    (x.speed_up, PASSPORT, timed(0.98, (0.98, 0.97, 0.99), noise=1.01), ["loss", "lost"]),
    (x.speed_up, PASSPORT, timed(0.8, (0.8, 0.7, 0.9)), ["loss", "lost-beyond"]),
    (
        x.speed_up,
        PASSPORT,
        timed(0.8, (1.0, 0.7, 1.4), opened=1.7),
        ["depends", "beyond-tokens", "lost-beyond"],
    ),
    (
        x.speed_up,
        PASSPORT,
        timed(0.98, (1.0, 0.7, 1.4), noise=1.01, opened=1.7),
        ["depends", "beyond-tokens", "lost-unsure"],
    ),
    (x.cuda, FREE, on_device(1.02), ["flat", "as-foreseen"]),
    (x.cuda, FREE, on_device(1.2, by=0.3), ["cost-unsure", "cant-tell"]),
    (x.cuda, FREE, on_device(1.02, one=2.0), ["flat", "errors-cancel"]),
    (x.cuda, FREE, on_device(1.6), ["rows-cost", "more-than-foreseen"]),
    (x.cuda, FREE, on_device(1.25), ["rows-cost", "cant-tell"]),
    (x.cuda, DEAR, on_device(1.02), ["flat", "less-than-foreseen"]),
]
