import math
from dataclasses import replace

import pytest

from lessons.experiments import cpu_memory as x
from lessons.experiments.base import Outcome, Unavailable
from lessons.experiments.cpu_memory import threads
from lessons.passport import Passport
from lessons.units import KiB, MiB, Quantity


def passport(cores=2, nodes=1, pinned=False, held=None):
    """A made-up machine with round numbers."""
    rates = {"l1": 200e9, "l2": 100e9, "l3": 40e9, "dram": 20e9}
    latencies = {"l1": 1e-9, "l2": 4e-9, "l3": 20e-9, "dram": 100e-9}
    peaks = {f"cpu.bandwidth.read.{k}.1": Quantity(v, "B/s") for k, v in rates.items()}
    peaks |= {f"cpu.latency.{k}": Quantity(v, "s") for k, v in latencies.items()}
    peaks |= {"cpu.bandwidth.copy.dram.1": Quantity(16e9, "B/s"), "cpu.cost.page_fault": Quantity(2e-7, "s")}
    peaks["page_cache.read"] = Quantity(8e9, "B/s")
    if held:
        peaks["cpu.held.l3"] = Quantity(held, "B")
    if pinned:
        peaks |= {
            f"cuda.transfer.h2d.{k}": Quantity(v, "B/s") for k, v in (("pinned", 50e9), ("pageable", 10e9))
        }
    caches = [
        {"level": "l1", "bytes": 32 * KiB, "line": 64, "cores": 1},
        {"level": "l2", "bytes": 1 * MiB, "line": 64, "cores": 1},
        {"level": "l3", "bytes": 32 * MiB, "line": 64, "cores": 2},
    ]
    machine = {
        "cores": cores,
        "caches": caches,
        "nodes": [
            {"id": i, "cpus": [i], "bytes": 1, "distances": [10 if i == j else 21 for j in range(nodes)]}
            for i in range(nodes)
        ],
    }
    return Passport(machine, "made up", "2026-01-01", {}, peaks, {"cpu.dram": 128 * MiB})


def test_the_bandwidth_steps_down_exactly_at_the_caches():
    data = x.bandwidth.predict(passport()).data
    by_size = dict(zip(data["sizes"], data["rates"]))
    assert by_size[32 * KiB] == 200e9
    assert by_size[64 * KiB] == by_size[1 * MiB] == 100e9
    assert by_size[2 * MiB] == by_size[32 * MiB] == 40e9
    assert by_size[64 * MiB] == by_size[128 * MiB] == 20e9


def test_the_latency_prediction_rises_and_ends_between_the_last_cache_and_memory():
    outcome = x.latency.predict(passport())
    seconds = outcome.data["seconds"]
    assert seconds == sorted(seconds)
    # 64 MiB over a 32 MiB cache: half of the lines at 100 ns, 31 MiB at 20 ns, and 1 MiB at 4 ns.
    assert outcome.quantity.value == pytest.approx((32 * 100e-9 + 31 * 20e-9 + 4e-9) / 64)
    assert seconds[-1] == pytest.approx(outcome.quantity.value, rel=1e-3)  # the first level is in it there


def test_a_ring_that_the_last_cache_holds_never_waits_for_memory():
    small = replace(passport(), sizes={"cpu.dram": 16 * MiB})
    # 8 MiB: 32 KiB at 1 ns, the rest of 1 MiB at 4 ns, and the other 7 MiB at the last cache's 20 ns.
    seconds = (7 * 20e-9 + 31 / 32 * 4e-9 + 1 / 32 * 1e-9) / 8
    assert x.latency.predict(small).quantity.value == pytest.approx(seconds)


def test_without_caches_every_load_waits_for_memory():
    bare = passport()
    peaks = {k: q for k, q in bare.peaks.items() if ".l" not in k.replace(".latency", "") or "dram" in k}
    bare = replace(bare, machine={**bare.machine, "caches": []}, peaks=peaks)
    assert bare.levels == ["dram"]
    assert x.latency.predict(bare).quantity.value == 100e-9


def test_what_is_kept_of_the_last_cache_moves_the_latency_and_the_textbook_keeps_the_whole():
    whole, part = x.latency.predict(passport()), x.latency.predict(passport(held=8 * MiB))
    assert whole.quantity.value == pytest.approx(whole.textbook.value, rel=1e-3)
    assert part.textbook.value == whole.textbook.value
    # 64 MiB: an eighth of the lines at 20 ns or less (8 MiB), the others at 100 ns.
    assert 89e-9 < part.quantity.value < 90.1e-9


def test_write_allocate_and_little():
    copy = x.write_allocate.predict(passport())
    assert copy.data == {"copy": 1.5, "triad": pytest.approx(4 / 3)} and copy.quantity.value == 1.5
    outcome = x.independent.predict(passport())
    assert outcome.data["limit"] == pytest.approx(20e9 * 100e-9 / 64)
    assert outcome.quantity.value == 16
    assert [q.value for q in outcome.ends.values()] == pytest.approx([100e-9, 100e-9 / 16])
    # At 5 GB/s, 500 bytes are under way: some eight lines, and each walk beyond them waits for its turn.
    assert x.independent.predict(SLOW).quantity.value == pytest.approx(7.8125)


def test_one_node_is_unavailable_and_two_predict_the_distance():
    with pytest.raises(Unavailable, match="one NUMA node"):
        x.numa.check(passport())
    prediction = x.numa.predict(passport(nodes=2))
    assert prediction.quantity.value == pytest.approx(2.1)
    assert [q.value for q in prediction.ends.values()] == pytest.approx([210e-9, 100e-9])


def test_a_file_is_copied_once_and_each_page_of_its_buffer_touched_once():
    prediction = x.weights.predict(passport())
    size = prediction.data["size"]
    pages = math.ceil(size / 4096)
    assert prediction.quantity.value == pytest.approx(size / 8e9 + pages * 2e-7)


def test_pinning_gains_what_the_two_rates_differ_by():
    prediction = x.pinned.predict(passport(pinned=True))
    assert prediction.quantity.value == pytest.approx(5)
    # 64 MiB at 10 GB/s and at 50.
    assert [q.value for q in prediction.ends.values()] == pytest.approx([6.71e-3, 1.342e-3], rel=1e-3)


@pytest.mark.parametrize(("cores", "most"), [(1, 1), (2, 2), (6, 6), (8, 8), (64, 8)])
def test_workers_can_do_as_much_as_there_are_cores_for_them(cores, most):
    prediction = x.loader.predict(passport(cores))
    assert prediction.quantity.value == most and most in prediction.data["workers"]
    assert max(prediction.data["speedup"]) == (most if cores > 4 else min(4, cores))


def copied(low, high, triad=(1.1, 1.3)):
    """A result of ``write_allocate`` with these intervals."""
    gain, other = (Quantity((a + b) / 2, "1", a, b, 9) for a, b in ((low, high), triad))
    return Outcome(gain, {"copy": gain, "triad": other})


def both(experiment, machine, gain, upper=1.0):
    """Return what a ratio with this gain divides, its upper end in multiples of what is predicted."""
    foretold = experiment.predict(machine).ends
    first, second = foretold
    above = foretold[first].scaled(upper)
    return {first: above, second: Quantity(above.value / gain.value, above.unit)}


def walked(low, high, upper=1.0, machine=None):
    gain = Quantity((low + high) / 2, "1", low, high, 9)
    ends = both(x.independent, machine or passport(), gain, upper)
    return Outcome(gain, {"walks": [16], "speedup": [gain]}, ends=ends)


def afar(gain, upper=1.0, by=0.02):
    """A result of ``numa``, where 2.1 is predicted."""
    ratio = Quantity(gain, "1", (1 - by) * gain, (1 + by) * gain, 9)
    return Outcome(ratio, NUMA, ends=both(x.numa, passport(nodes=2), ratio, upper))


def copied_over(gain, upper=1.0, by=0.02):
    """A result of ``pinned``, where 5 is predicted."""
    ratio = Quantity(gain, "1", (1 - by) * gain, (1 + by) * gain, 9)
    return Outcome(ratio, COPIES, ends=both(x.pinned, passport(pinned=True), ratio, upper))


def decoded(*speedups):
    """A result of ``loader`` for 0, 1, 2 and 4 workers, each known to 3 %."""
    all_ = [Quantity(s, "1", 0.97 * s, 1.03 * s, 3) for s in speedups]
    return Outcome(all_[2], {"workers": [0, 1, 2, 4], "speedup": all_})


def loaded(read, touched):
    """A result of ``weights`` in multiples of what is predicted for ``read``."""
    foretold = x.weights.predict(passport()).quantity.value
    q = lambda factor: Quantity(factor * foretold, "s", 0.97 * factor * foretold, 1.03 * factor * foretold, 9)  # noqa: E731
    return Outcome(q(read), {"size": 1, "read": q(read), "mmap": q(0.001), "mmap and touch": q(touched)})


def chased(end, **machine):
    """A result of ``latency``: as predicted, but at the last point ``end`` times."""
    foretold = x.latency.predict(passport(**machine)).data
    factors = [1.0] * len(foretold["sizes"])
    factors[-1] = end
    seconds = [
        Quantity(f * s, "s", 0.97 * f * s, 1.03 * f * s, 9) for f, s in zip(factors, foretold["seconds"])
    ]
    return Outcome(seconds[-1], {"sizes": foretold["sizes"], "seconds": seconds})


def read(early=1.0, late=1.0, end=1.0, first=1.0):
    """A result of ``bandwidth``: predicted rates, but ``early`` times at each cache's end, ``late`` times past it.

    And ``end`` times in memory, ``first`` times in the first cache.
    """
    foretold = x.bandwidth.predict(passport()).data
    ends = foretold["caches"]
    pairs = [(s, r) for s, r in zip(foretold["sizes"], foretold["rates"]) if s - 1 not in ends]
    factor = (  # noqa: E731
        lambda s: first if s <= ends[0] else early if s in ends else late if s == 2 * ends[-1] else 1.0
    )
    rates = [Quantity((end if s > ends[-1] else 1.0) * factor(s) * r, "B/s") for s, r in pairs]
    rates[-1] = Quantity(rates[-1].value, "B/s", 0.97 * rates[-1].value, 1.03 * rates[-1].value, 5)
    return Outcome(rates[-1], {"sizes": [s for s, _ in pairs], "rates": rates})


# Little's law has eight lines under way at 5 GB/s.
SLOW = replace(passport(), peaks={**passport().peaks, "cpu.bandwidth.read.dram.1": Quantity(5e9, "B/s")})
NUMA = {"local": Quantity(1e-7, "s"), "remote": Quantity(2e-7, "s")}
COPIES = {"pinned": Quantity(1, "s"), "pageable": Quantity(2, "s"), "pin now, then copy": Quantity(3, "s")}
EXAMPLES = [
    (x.bandwidth, passport(), read(), ["as-foreseen"]),
    (x.bandwidth, passport(), read(early=0.7), ["early", "as-foreseen"]),
    (x.bandwidth, passport(), read(first=0.45), ["nearer-slower", "early", "as-foreseen"]),
    (x.bandwidth, passport(), read(late=1.9), ["late", "as-foreseen"]),
    (x.bandwidth, passport(), read(end=0.7), ["less-than-foreseen"]),
    (x.bandwidth, passport(), read(end=0.8), ["cant-tell"]),
    (x.bandwidth, passport(), read(end=1.4), ["more-than-foreseen"]),
    (x.latency, passport(), chased(1.0), ["as-foreseen"]),
    (x.latency, passport(), chased(1.6), ["more-than-foreseen"]),
    (x.latency, passport(), chased(0.6), ["less-than-foreseen"]),
    (x.latency, passport(), chased(1.25), ["cant-tell"]),
    (x.latency, passport(held=6 * MiB), chased(1.0, held=6 * MiB), ["slice", "as-foreseen"]),
    (x.write_allocate, passport(), copied(0.98, 1.02), ["alike", "less-than-foreseen"]),
    (x.write_allocate, passport(), copied(0.7, 0.9), ["slower", "less-than-foreseen"]),
    (x.write_allocate, passport(), copied(0.3, 4.1), ["alike", "cant-tell"]),
    (x.write_allocate, passport(), copied(1.05, 1.15), ["less-than-foreseen"]),
    (x.write_allocate, passport(), copied(1.1, 1.3), ["cant-tell"]),
    (x.write_allocate, passport(), copied(1.39, 2.1), ["as-foreseen"]),
    (x.write_allocate, passport(), copied(1.39, 2.1, (1.4, 1.5)), ["as-foreseen", "triad-over"]),
    (x.write_allocate, passport(), copied(1.8, 2.0, (1.4, 1.5)), ["bound-beaten"]),
    (x.independent, passport(), walked(7, 8), ["overlaps", "less-than-foreseen"]),
    (x.independent, passport(), walked(15, 16), ["overlaps", "as-foreseen"]),
    (x.independent, passport(), walked(21, 22), ["overlaps", "more-than-foreseen", "beyond-overlap"]),
    (
        x.independent,
        SLOW,
        walked(12, 13, machine=SLOW),
        ["overlaps", "more-than-foreseen", "beyond-streaming"],
    ),
    (x.independent, passport(), walked(0.8, 1.2), ["less-than-foreseen"]),
    (x.independent, passport(), walked(1.5, 23), ["overlaps", "cant-tell"]),
    (x.independent, passport(), walked(15, 16, upper=1.5), ["overlaps", "errors-cancel"]),
    (x.numa, passport(nodes=2), afar(2.0), ["as-foreseen"]),
    (x.numa, passport(nodes=2), afar(1.5), ["less-than-foreseen"]),
    (x.numa, passport(nodes=2), afar(2.8), ["more-than-foreseen"]),
    (x.numa, passport(nodes=2), afar(2.1, by=0.3), ["cant-tell"]),
    (x.numa, passport(nodes=2), afar(2.0, upper=1.5), ["errors-cancel"]),
    (x.loader, passport(), decoded(1, 1, 1.9, 1.9), ["most-is-best", "as-foreseen"]),
    (x.loader, passport(), decoded(1, 0.9, 1.0, 1.02), ["no-gain", "less-than-foreseen"]),
    (x.loader, passport(), decoded(1, 0.9, 0.85, 0.8), ["each-slower", "less-than-foreseen"]),
    (x.loader, passport(), decoded(1, 1, 1.6, 1.4), ["fewer-are-best", "cant-tell"]),
    (x.loader, passport(), decoded(1, 1, 2.2, 2.2), ["most-is-best", "bound-beaten"]),
    (x.weights, passport(), loaded(1.0, 0.5), ["mmap-wins", "as-foreseen"]),
    (x.weights, passport(), loaded(1.6, 2.5), ["read-wins", "more-than-foreseen"]),
    (x.weights, passport(), loaded(0.5, 0.5), ["as-fast", "less-than-foreseen"]),
    (x.weights, passport(), loaded(1.25, 2.5), ["read-wins", "cant-tell"]),
    (x.pinned, passport(pinned=True), copied_over(5.0), ["as-foreseen"]),
    (x.pinned, passport(pinned=True), copied_over(2.0), ["less-than-foreseen"]),
    (x.pinned, passport(pinned=True), copied_over(9.0), ["more-than-foreseen"]),
    (x.pinned, passport(pinned=True), copied_over(4.0), ["cant-tell"]),
    (x.pinned, passport(pinned=True), copied_over(5.0, upper=2.0), ["errors-cancel"]),
]


def test_the_best_number_of_workers_is_never_none():
    result = decoded(1, 0.9, 0.85, 0.8)
    facts = x.loader.facts(x.loader.predict(passport()), result)
    assert (facts["best"], facts["with_best"]) == (1, "0.90")


def test_loading_the_weights_touches_what_it_says_it_touches():
    outcome = x.weights.run()
    assert 0 < outcome.data["mmap"].value < outcome.data["mmap and touch"].value
    assert x.weights.predict(passport()).data["size"] == outcome.data["size"]


@pytest.mark.parametrize(
    ("together", "words"),
    [
        ((30e9, 28e9, 32e9), "1.50 times"),
        ((21e9, 18e9, 24e9), "can't tell"),
        ((10e9, 9e9, 11e9), "less than one"),
    ],
)
def test_what_all_threads_read_is_told_by_the_interval(together, words):
    value, low, high = together
    peaks = {**passport().peaks, "cpu.bandwidth.read.dram.2": Quantity(value, "B/s", low, high, 9)}
    assert words in threads.told(replace(passport(), peaks=peaks))


def test_one_thread_alone_is_compared_with_nothing():
    assert "nothing to compare" in threads.told(passport(cores=1))
