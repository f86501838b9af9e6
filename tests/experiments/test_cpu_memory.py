import pytest

from lessons.experiments import cpu_memory as x
from lessons.experiments.base import Outcome, Unavailable
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
    # 64 MiB over a 32 MiB cache: half of the lines at 20 ns or less, half at 100 ns.
    assert 50e-9 < outcome.quantity.value < 60e-9


def test_what_is_kept_of_the_last_cache_moves_the_latency_and_the_textbook_keeps_the_whole():
    whole, part = x.latency.predict(passport()), x.latency.predict(passport(held=8 * MiB))
    assert whole.quantity.value == pytest.approx(whole.textbook.value)
    assert part.textbook.value == pytest.approx(whole.quantity.value)
    # 64 MiB: an eighth of the lines at 20 ns or less (8 MiB), the others at 100 ns.
    assert 89e-9 < part.quantity.value < 90.1e-9


def test_write_allocate_and_little():
    assert x.write_allocate.predict(passport()).data == {"copy": 1.5, "triad": pytest.approx(4 / 3)}
    outcome = x.independent.predict(passport())
    assert outcome.data["limit"] == pytest.approx(20e9 * 100e-9 / 64)
    assert outcome.quantity.value == 16


def test_one_node_is_unavailable_and_two_predict_the_distance():
    with pytest.raises(Unavailable, match="one NUMA node"):
        x.numa.check(passport())
    assert x.numa.predict(passport(nodes=2)).quantity.value == pytest.approx(2.1)


def copied(low, high):
    """A result of ``write_allocate`` with this interval."""
    gain = Quantity((low + high) / 2, "1", low, high, 9)
    return Outcome(gain, {"copy": gain, "triad": gain})


def walked(low, high):
    gain = Quantity((low + high) / 2, "1", low, high, 9)
    return Outcome(gain, {"walks": [16], "speedup": [gain]})


def decoded(*speedups):
    """A result of ``loader`` for 0, 1, 2 and 4 workers, each known to a twentieth."""
    all_ = [Quantity(s, "1", 0.95 * s, 1.05 * s, 3) for s in speedups]
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


def read(early=1.0, late=1.0):
    """A result of ``bandwidth``: predicted rates, but ``early`` times at each cache's end, ``late`` times past it."""
    foretold = x.bandwidth.predict(passport()).data
    ends = foretold["caches"]
    pairs = [(s, r) for s, r in zip(foretold["sizes"], foretold["rates"]) if s - 1 not in ends]
    factor = lambda s: early if s in ends else late if s == 2 * ends[-1] else 1.0  # noqa: E731
    rates = [Quantity(factor(s) * r, "B/s") for s, r in pairs]
    return Outcome(rates[-1], {"sizes": [s for s, _ in pairs], "rates": rates})


NUMA = {"local": Quantity(1e-7, "s"), "remote": Quantity(2e-7, "s")}
COPIES = {"pinned": Quantity(1, "s"), "pageable": Quantity(2, "s"), "pin now, then copy": Quantity(3, "s")}
EXAMPLES = [
    (x.bandwidth, passport(), read(), []),
    (x.bandwidth, passport(), read(early=0.7), ["early"]),
    (x.bandwidth, passport(), read(late=1.9), ["late"]),
    (x.latency, passport(), chased(1.0), ["as-foreseen"]),
    (x.latency, passport(), chased(1.6), ["more-than-foreseen"]),
    (x.latency, passport(), chased(0.6), ["less-than-foreseen"]),
    (x.latency, passport(), chased(1.25), ["cant-tell"]),
    (x.latency, passport(held=6 * MiB), chased(1.0, held=6 * MiB), ["slice", "as-foreseen"]),
    (x.write_allocate, passport(), copied(0.98, 1.02), ["no-gain"]),
    (x.write_allocate, passport(), copied(1.39, 1.55), ["traffic"]),
    (x.write_allocate, passport(), copied(1.8, 2.0), ["beyond-traffic"]),
    (x.independent, passport(), walked(7, 8), ["less-than-foreseen"]),
    (x.independent, passport(), walked(15, 16), ["as-foreseen"]),
    (x.independent, passport(), walked(21, 22), ["more-than-foreseen"]),
    (x.independent, passport(), walked(1.5, 23), ["cant-tell"]),
    (x.numa, passport(nodes=2), Outcome(Quantity(2, "1"), NUMA), []),
    (x.loader, passport(), decoded(1, 1, 1.9, 1.9), ["most-is-best"]),
    (x.loader, passport(), decoded(1, 0.9, 1.0, 1.02), ["no-gain"]),
    (x.loader, passport(), decoded(1, 1, 1.9, 1.5), ["past-the-cores"]),
    (x.weights, passport(), loaded(1.0, 0.5), ["mmap-wins", "as-foreseen"]),
    (x.weights, passport(), loaded(1.6, 2.5), ["read-wins", "more-than-foreseen"]),
    (x.weights, passport(), loaded(0.5, 0.5), ["as-fast", "less-than-foreseen"]),
    (x.weights, passport(), loaded(1.25, 2.5), ["read-wins", "cant-tell"]),
    (x.pinned, passport(pinned=True), Outcome(Quantity(2, "1"), COPIES), []),
]


def test_loading_the_weights_touches_what_it_says_it_touches():
    outcome = x.weights.run()
    assert 0 < outcome.data["mmap"].value < outcome.data["mmap and touch"].value
    assert x.weights.predict(passport()).data["size"] == outcome.data["size"]
