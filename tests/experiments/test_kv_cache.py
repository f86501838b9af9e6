import pytest

from lessons.experiments import kv_cache as x
from lessons.experiments.base import Outcome
from lessons.experiments.kv_cache.waste import PUBLISHED
from lessons.passport import Passport
from lessons.units import Quantity

PEAKS = {
    "cpu.bandwidth.read.l3.1": Quantity(50e9, "B/s"),
    "cpu.bandwidth.read.dram.1": Quantity(20e9, "B/s"),
    "cpu.flops.int8.1": Quantity(900e9, "OP/s"),
    "cpu.product.packed.int8": Quantity(100e9, "OP/s"),
}
PASSPORT = Passport({"cores": 2, "caches": []}, "made up", "2026-01-01", {}, PEAKS)


def test_three_counts_of_a_token_agree():
    prediction, result = x.bytes_per_token.predict(PASSPORT), x.bytes_per_token.run()
    assert prediction.quantity.value == result.quantity.value == result.data["walked"] == 46080


def test_generation_predicts_a_flat_and_a_rising_line():
    data = x.generation.predict(PASSPORT).data
    assert len(set(data["cached"])) == 1
    assert data["uncached"] == sorted(data["uncached"])
    # 134.5 million weights of 5 and 8.5 bits, 96.4 MB, at 20 GB/s.
    assert data["cached"][0] == pytest.approx(96.4e6 / 20e9, rel=0.01)


def test_waste_is_near_its_closed_form_and_the_published_shares():
    prediction, result = x.waste.predict(PASSPORT), x.waste.run()
    assert result.data["waste"] == pytest.approx(prediction.data["waste"], rel=0.1)
    for policy, published in PUBLISHED.items():
        assert abs(result.data["usage"][policy]["used"] - published) < 0.06
    paged = result.data["usage"]["paged"]
    assert 0 < paged["preempted"] < paged["recomputed"]
    table = x.waste.facts(prediction, result)["table"]
    assert table.count("\n| ") == 5 and "20.4 %" in table


def test_sharing_computes_the_page_once():
    prediction, result = x.sharing.predict(PASSPORT), x.sharing.run()
    assert result.data["computed"] == prediction.data["computed"] < prediction.data["all"] / 2
    assert result.data["error"] < 2e-3
    assert result.data["forked"] == 0
    assert result.data["written"] < result.data["whole"] / 4


def spread(value, unit="1", by=0.03):
    """A measured quantity that is known to 3 %."""
    return Quantity(value, unit, (1 - by) * value, (1 + by) * value, 9)


def counted(walked):
    return Outcome(Quantity(46080, "B"), {"walked": walked})


def generated(cached, uncached):
    """A result of ``generation`` in multiples of the predicted times."""
    foretold = x.generation.predict(PASSPORT).data
    series = {
        name: [spread(factor * seconds, "s") for seconds in foretold[name]]
        for name, factor in (("cached", cached), ("uncached", uncached))
    }
    ratio = series["uncached"][-1].ratio(series["cached"][-1])
    return Outcome(ratio, {"lengths": foretold["lengths"], **series})


def simulated(waste=1.0, paged=5.0, preempted=3):
    """A result of ``waste`` whose blocks stand empty in multiples of what is predicted; 2 run at once elsewhere."""
    shares = {"used": 0.6, "reserved": 0.1, "internal": 0.1, "rounding": 0.1, "free": 0.1}
    usage = {policy: {**shares, "batch": 2.0, "preempted": 0, "recomputed": 0} for policy in PUBLISHED}
    usage["paged"] |= {"batch": paged, "preempted": preempted, "recomputed": 90 * preempted}
    empty = [waste * share for share in x.waste.predict(PASSPORT).data["waste"]]
    data = {"usage": usage, "waste": empty, "requests": 10, "tokens": 3000}
    return Outcome(Quantity(0.6, "%"), data)


def indirect(alone, adjacent, placed):
    data = {
        "runs": [1, 64], "ratios": [spread(alone), spread(adjacent)], "mean_run": 20.0, "full": spread(1.5),
        "full_run": 2.0, "error": 1e-7, "seconds": spread(1e-3, "s"),
    }  # fmt: skip
    return Outcome(spread(placed), data)


def shared(gain, error=0.0):
    """A result of ``sharing`` in multiples of the tokens that are saved."""
    data = {"computed": 300, "blocks": {"alone": 60, "shared": 20}, "error": error}
    data |= {"forked": 0, "written": 4, "whole": 64}
    return Outcome(spread(gain * x.sharing.predict(PASSPORT).quantity.value), data)


def on_device(ratio):
    return Outcome(spread(ratio), {"seconds": spread(1e-3, "s"), "error": 0.0})


EXAMPLES = [
    (x.bytes_per_token, PASSPORT, counted(46080), ["agree"]),
    (x.bytes_per_token, PASSPORT, counted(1), ["disagree"]),
    (x.generation, PASSPORT, generated(1.1, 1.1), ["times-foreseen"]),
    (x.generation, PASSPORT, generated(2.0, 1.8), ["errors-cancel"]),
    (x.generation, PASSPORT, generated(0.6, 0.6), ["errors-cancel"]),
    (x.generation, PASSPORT, generated(1.35, 1.15), ["as-foreseen"]),
    (x.generation, PASSPORT, generated(2.0, 1.0), ["less-than-foreseen"]),
    (x.generation, PASSPORT, generated(1.0, 2.0), ["more-than-foreseen"]),
    (x.generation, PASSPORT, generated(2.0, 2.5), ["cant-tell"]),
    (x.waste, PASSPORT, simulated(), ["more-at-once", "as-foreseen", "preempts"]),
    (x.waste, PASSPORT, simulated(paged=2.0), ["no-more-at-once", "as-foreseen", "preempts"]),
    (x.waste, PASSPORT, simulated(waste=1.5), ["more-at-once", "more-than-foreseen", "preempts"]),
    (x.waste, PASSPORT, simulated(waste=0.5, preempted=0), ["more-at-once", "less-than-foreseen"]),
    (x.indirection, PASSPORT, indirect(2.0, 1.0, 1.0), ["table-free", "alone-costs", "placed-free"]),
    (x.indirection, PASSPORT, indirect(2.0, 1.0, 1.1), ["table-free", "alone-costs", "placed-costs"]),
    (x.indirection, PASSPORT, indirect(1.2, 1.2, 1.2), ["table-costs", "alone-free", "placed-costs"]),
    (x.indirection, PASSPORT, indirect(0.9, 0.9, 0.9), ["table-free", "alone-free", "placed-free"]),
    (x.sharing, PASSPORT, shared(1.0), ["same-bits", "as-foreseen"]),
    (x.sharing, PASSPORT, shared(0.5, error=1e-4), ["close", "less-than-foreseen"]),
    (x.sharing, PASSPORT, shared(1.5), ["same-bits", "more-than-foreseen"]),
    (x.sharing, PASSPORT, shared(0.8), ["same-bits", "cant-tell"]),
    (x.cuda, PASSPORT, on_device(1.01), ["as-fast"]),
    (x.cuda, PASSPORT, on_device(1.2), ["slower"]),
    (x.cuda, PASSPORT, on_device(0.9), ["faster"]),
]
