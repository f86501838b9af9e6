import pytest

from lessons.experiments import speculative as x
from lessons.experiments.base import Outcome
from lessons.experiments.speculative.passes import (
    DEVICE,
    FLOATS,
    PACKED,
    predicted_curve,
)
from lessons.passport import Passport
from lessons.units import Quantity

PEAKS = {
    "cpu.bandwidth.read.dram.1": Quantity(40e9, "B/s"),
    "cpu.matmul.float32.1": Quantity(100e9, "FLOP/s"),
    "cpu.flops.int8.1": Quantity(400e9, "OP/s"),
}
PASSPORT = Passport({"cores": 2, "caches": []}, "made up", "2026-01-01", {}, PEAKS)


def test_the_predicted_curve_is_flat_up_to_the_ridge():
    # The ridge is at 2.5 FLOP a byte, which is 5 rows of float32 weights.
    curve = predicted_curve(PASSPORT, FLOATS)
    assert curve[:5] == pytest.approx([1] * 5) and curve[9] == pytest.approx(2)
    # Of 10 operations a byte: the packed weights have 5.7 bits each, so 3.6 rows.
    packed = predicted_curve(PASSPORT, PACKED)
    assert packed[:3] == pytest.approx([1] * 3) and packed[7] == pytest.approx(8 / 3.58, rel=0.01)
    assert x.verify_cost.predict(PASSPORT).quantity.value == packed[7]


def test_tokens_are_predicted_by_the_published_acceptance():
    value = x.tokens.predict(PASSPORT).quantity.value
    assert value == pytest.approx((1 - 0.75**8) / 0.25)


@pytest.mark.parametrize(("value", "words"), [(2, "fewer"), (3, "close"), (4, "more")])
def test_tokens_explain_each_case(value, words):
    result = Outcome(Quantity(value, "tokens", n=20), {"acceptance": 0.7, "formula": 3})
    text = x.tokens.explain(result, result)
    assert words in text and "borrows its acceptance, 0.75" in text
    assert f"**{value / 4.5:.2f}**" in text  # seven guesses at half a step each, and one pass


@pytest.mark.parametrize(("value", "words"), [(1.2, "cheap"), (4, "dear")])
def test_verification_explains_each_case(value, words):
    prediction = Outcome(Quantity(2.0, "1"), {})
    for step in (1, 2):
        curves = {FLOATS: [1] * 7 + [value] + [value * step] * 4, PACKED: [value] * 16 + [value * step]}
        text = x.verify_cost.explain(prediction, Outcome(Quantity(value, "1"), {"curves": curves}))
        assert words in text
        assert ("made for many rows" in text) == ("reads all weights again" in text) == (step == 2)
        assert ("More than the roofline says" in text) == (value == 4)


def test_the_device_explains_each_case():
    for value, words in ((1.1, "ride along"), (2.0, "picks another program")):
        result = Outcome(Quantity(value, "1"), {"curves": {DEVICE: [1] * 7 + [value] + [2] * 4}})
        assert words in x.cuda.explain(result, result)
        assert f"{value:.2f} at 8 tokens" in x.cuda.alt(result, result)


@pytest.mark.parametrize(("seconds", "words"), [(1.0, "No prompt lost"), (1.2, "lost on story")])
def test_speed_up_explains_each_case(seconds, words):
    result = Outcome(Quantity(1, "1"), {"rows": [["story", "open", 1.0, seconds, 1.0]], "length": 4})
    text = x.speed_up.explain(result, result)
    assert (
        words in text
        and "borrowed acceptance, 0.75" in text
        and "drafts of 4." in text
        and "On the open prompts a pass wrote 1.0" in text
    )


def test_speed_up_predicts_the_best_length_for_the_curve():
    # Verification is free for four rows less, and 8 rows cost 8 / 3.58: the fourth guess would bring 0.32 tokens
    # for 0.40 passes, the third brings 0.42 for 0.12.
    assert x.speed_up.predict(PASSPORT).quantity.value == pytest.approx(2.734 / 1.117, rel=0.01)
