import pytest

from lessons.experiments import kv_cache as x
from lessons.experiments.base import Outcome
from lessons.experiments.kv_cache.waste import PUBLISHED
from lessons.passport import Passport
from lessons.units import Quantity

PEAKS = {
    "cpu.bandwidth.read.l3.1": Quantity(50e9, "B/s"),
    "cpu.bandwidth.read.dram.1": Quantity(20e9, "B/s"),
    "cpu.flops.int8.1": Quantity(100e9, "OP/s"),
}
PASSPORT = Passport({"cores": 2, "caches": []}, "made up", "2026-01-01", {}, PEAKS)


def test_three_counts_of_a_token_agree():
    prediction, result = x.bytes_per_token.predict(PASSPORT), x.bytes_per_token.run()
    assert prediction.quantity.value == result.quantity.value == result.data["walked"] == 46080
    assert "agree to the byte" in x.bytes_per_token.explain(prediction, result)
    other = Outcome(result.quantity, {"walked": 1})
    assert "They disagree" in x.bytes_per_token.explain(prediction, other)


def test_generation_predicts_a_flat_and_a_rising_line():
    data = x.generation.predict(PASSPORT).data
    assert len(set(data["cached"])) == 1
    assert data["uncached"] == sorted(data["uncached"])
    # 134.5 million weights of 5 and 8.5 bits, 96.4 MB, at 20 GB/s.
    assert data["cached"][0] == pytest.approx(96.4e6 / 20e9, rel=0.01)


@pytest.mark.parametrize(("measured", "words"), [(5, "smaller than"), (10, "foresaw"), (20, "larger than")])
def test_generation_explains_each_case(measured, words):
    prediction = Outcome(Quantity(10, "1"))
    result = Outcome(Quantity(measured, "1"), {"cached": [0.01], "uncached": [0.1]})
    assert words in x.generation.explain(prediction, result)


def test_waste_is_near_its_closed_form_and_the_published_shares():
    prediction, result = x.waste.predict(PASSPORT), x.waste.run()
    assert result.data["waste"] == pytest.approx(prediction.data["waste"], rel=0.1)
    for policy, published in PUBLISHED.items():
        assert abs(result.data["usage"][policy]["used"] - published) < 0.06
    text = x.waste.explain(prediction, result)
    assert text.count("\n| ") == 4 and "20.4 %" in text
    paged = result.data["usage"]["paged"]
    assert f"{paged['preempted']} times" in text and 0 < paged["preempted"] < paged["recomputed"]


@pytest.mark.parametrize(("alone", "words"), [(2.0, "Lost locality"), (1.05, "cost little")])
def test_indirection_explains_both_machines(alone, words):
    data = {"ratios": [alone, 1.0], "error": 0.0, "seconds": 1e-3, "mean_run": 20, "full_run": 2, "full": 1.5}
    result = Outcome(Quantity(1.0, "1"), data)
    assert words in x.indirection.explain(x.indirection.predict(PASSPORT), result)


def test_sharing_computes_the_page_once():
    prediction, result = x.sharing.predict(PASSPORT), x.sharing.run()
    assert result.data["computed"] == prediction.data["computed"] < prediction.data["all"] / 2
    assert result.data["error"] < 2e-3
    for error, words in ((0.0, "the same to the last bit"), (1e-4, "differ by 0.0001")):
        assert words in x.sharing.explain(
            prediction, Outcome(result.quantity, result.data | {"error": error})
        )
    assert result.data["forked"] == 0
    assert result.data["written"] < result.data["whole"] / 4
