import pytest

from lessons import datasheets
from lessons.experiments import gpu_memory as x
from lessons.experiments.base import Outcome
from lessons.experiments.gpu_memory import need
from lessons.experiments.gpu_memory.in_flight import ALONE, CEILING, asymptotes
from lessons.formulas import little
from lessons.passport import Passport
from lessons.units import KiB, MiB, Quantity


def near(value, unit, share=0.02):
    return Quantity(value, unit, (1 - share) * value, (1 + share) * value, 5)


def passport(**changes):
    """A made-up machine: a load waits 100 ns, random lines come every 8 ns (12.5 in flight), a stream's every 2 ns."""
    peaks = {
        "cpu.latency.dram": near(100e-9, "s"),
        "cpu.gather.dram": near(64 / 8e-9, "B/s"),
        "cpu.bandwidth.read.dram.1": near(64 / 2e-9, "B/s"),
        "cuda.latency.l2": near(150e-9, "s"),
        "cuda.latency.dram": near(375e-9, "s"),
        "cuda.bandwidth.read.l2": near(7e12, "B/s"),
        "cuda.bandwidth.read.dram": near(3e12, "B/s"),
    }
    return Passport({"cores": 1, "caches": [], "nodes": []}, "made up", "2026-01-01", {}, peaks | changes, {})


def walked(alone=100e-9, between=8e-9, share=0.02):
    """Walks whose loads wait ``alone`` and come back every ``between`` seconds at most often."""
    walks = x.in_flight.WALKS
    rates = [near(min(k * 64 / alone, 64 / between), "B/s", share) for k in walks]
    data = {"bytes": 128 * MiB, "walks": list(walks), "rates": rates}
    one, best = asymptotes(data)
    return Outcome(one.ratio(best), data, ends={ALONE: one, CEILING: best})


def stairs(l1=20e-9, l2=150e-9, dram=375e-9, edge=None, beyond=None, share=0.02):
    """A staircase of a card with an L2 of 50 MiB; ``edge`` and ``beyond`` are the loads on both sides of its end."""
    rings, cache = list(x.gpu_staircase.rings), 50 * MiB
    times = [l1 if size <= 128 * KiB else l2 if size <= cache else dram for size in rings]
    inside = max(i for i, size in enumerate(rings) if size <= cache)
    times[inside], times[inside + 1] = edge or l2, beyond or dram
    seconds = [near(t, "s", share) for t in times]
    arrays = list(x.gpu_staircase.arrays)
    rates = [near(7e12 if size <= cache else 3e12, "B/s") for size in arrays]
    data = {"cache": cache, "rings": rings, "seconds": seconds, "arrays": arrays, "rates": rates}
    ends = {"a load from memory": seconds[-1], "a load from the L2": near(l2, "s", share)}
    return Outcome(seconds[-1].ratio(ends["a load from the L2"]), data, ends=ends)


LESS, MORE = "less-than-foreseen", "more-than-foreseen"
BELOW = ("below-streaming", "bends")
FAST = passport(**{"cpu.bandwidth.read.dram.1": near(7e9, "B/s")})
EXAMPLES = [
    (x.in_flight, passport(), walked(), [*BELOW, "as-foreseen"]),
    (x.in_flight, passport(), walked(alone=60e-9), [*BELOW, LESS, "alone-decides"]),
    (x.in_flight, passport(), walked(alone=140e-9), [*BELOW, MORE, "alone-decides"]),
    (x.in_flight, passport(), walked(between=14e-9), [*BELOW, LESS, "ceiling-decides"]),
    (x.in_flight, passport(), walked(70e-9, 11e-9), [*BELOW, LESS, "both-decide"]),
    (x.in_flight, passport(), walked(160e-9, 12.8e-9), [*BELOW, "errors-cancel"]),
    (x.in_flight, passport(), walked(share=0.2), ["cant-tell"]),
    (
        x.in_flight,
        passport(),
        walked(between=1e-9),
        ["still-rising", MORE, "ceiling-decides"],
    ),
    (x.in_flight, FAST, walked(), ["reaches-streaming", "bends", "as-foreseen"]),
    (x.gpu_staircase, passport(), stairs(), ["l1-answers", "as-foreseen"]),
    (x.gpu_staircase, passport(), stairs(l1=150e-9), ["as-foreseen"]),
    (x.gpu_staircase, passport(), stairs(edge=250e-9), ["l1-answers", "leaves-early", "as-foreseen"]),
    (x.gpu_staircase, passport(), stairs(beyond=200e-9), ["l1-answers", "leaves-late", "as-foreseen"]),
    (x.gpu_staircase, passport(), stairs(l2=250e-9), ["l1-answers", LESS, "near-decides"]),
    (x.gpu_staircase, passport(), stairs(l2=90e-9), ["l1-answers", MORE, "near-decides"]),
    (x.gpu_staircase, passport(), stairs(dram=700e-9), ["l1-answers", MORE, "far-decides"]),
    (x.gpu_staircase, passport(), stairs(l2=105e-9, dram=530e-9), ["l1-answers", MORE, "both-decide"]),
    (x.gpu_staircase, passport(), stairs(l2=300e-9, dram=750e-9), ["l1-answers", "errors-cancel"]),
    (x.gpu_staircase, passport(), stairs(share=0.2), ["l1-answers", "cant-tell"]),
]


def test_the_knee_is_the_rate_of_random_lines_times_the_wait():
    prediction = x.in_flight.predict(passport())
    assert prediction.quantity.value == pytest.approx(12.5)
    assert prediction.textbook.value == pytest.approx(50)
    assert prediction.quantity.value == pytest.approx(little.knee(100e-9, 64 / 8e-9))


def test_no_more_lines_are_promised_than_there_are_walks():
    quick = passport(**{"cpu.gather.dram": near(64e9, "B/s")})
    assert x.in_flight.predict(quick).quantity.value == pytest.approx(32)


@pytest.mark.parametrize(("alone", "between"), [(100e-9, 5e-9), (80e-9, 8e-9), (170e-9, 6.5e-9)])
def test_the_knee_is_found_where_the_simulated_asymptotes_meet(alone, between):
    assert walked(alone, between).quantity.value == pytest.approx(alone / between)


def test_walks_that_are_still_rising_keep_as_many_lines_in_flight_as_they_are():
    assert walked(between=0.1e-9).quantity.value == pytest.approx(32)


def test_a_run_has_a_rate_for_each_number_of_walks():
    result = x.in_flight.small().run()
    assert result.data["walks"] == list(x.in_flight.WALKS) and len(result.data["rates"]) == len(
        x.in_flight.WALKS
    )
    one, best = result.ends.values()
    assert result.quantity.value == pytest.approx(one.value / best.value)
    assert result.quantity.value >= 1


def test_a_ring_that_the_l2_holds_and_one_that_it_does_not_are_told_apart():
    result = stairs(edge=200e-9, beyond=300e-9)
    facts = x.gpu_staircase.facts(x.gpu_staircase.predict(passport()), result)
    assert (facts["last"], facts["beyond"]) == ("32 MiB", "64 MiB")
    assert (facts["last_load"], facts["beyond_load"]) == ("200 ns", "300 ns")


def test_one_small_load_per_thread_cannot_keep_an_h100_busy_and_a_few_large_ones_can():
    small, large = need.need(1, 4), need.need(4, 16)
    assert small.warps > datasheets.gpu_limits("9.0").warps and not small.enough
    assert large.enough and large.warps / 64 < 0.1
    assert need.need(1, 16).warps == need.need(4, 4).warps == need.need(2, 8).warps


@pytest.mark.parametrize(("loads", "itemsize"), [(1, 4), (4, 4), (4, 16), (8, 16)])
def test_the_warps_needed_have_enough_bytes_in_flight(loads, itemsize):
    card = datasheets.accelerator("h100_sxm")
    for latency in (need.UNLOADED, need.LOADED):
        found = need.need(loads, itemsize, latency)
        each = 32 * found.in_flight * card.cores
        assert found.warps * each >= card.bandwidth * latency > (found.warps - 1) * each


def test_more_bytes_per_thread_need_fewer_warps_and_allow_fewer():
    found = [need.need(loads, 16) for loads in (1, 2, 4, 8, 12)]
    assert [n.warps for n in found] == sorted((n.warps for n in found), reverse=True)
    assert [n.held for n in found] == sorted((n.held for n in found), reverse=True)
    assert found[-1].held < found[0].held


def test_the_table_says_what_is_out_of_reach():
    lines = need.table().splitlines()
    assert len(lines) == 9 and "out of reach" in lines[2] and "out of reach" not in lines[-1]


def test_loads_without_registers_are_refused():
    with pytest.raises(ValueError, match="registers of a thread"):
        need.need(64, 16)
