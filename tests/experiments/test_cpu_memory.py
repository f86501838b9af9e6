import dataclasses

import pytest

from lessons.experiments import cpu_memory as x
from lessons.experiments.base import Outcome, Unavailable
from lessons.passport import Passport
from lessons.units import KiB, MiB, Quantity


def passport(cores=2, nodes=1):
    """A made-up machine with round numbers."""
    rates = {"l1": 200e9, "l2": 100e9, "l3": 40e9, "dram": 20e9}
    latencies = {"l1": 1e-9, "l2": 4e-9, "l3": 20e-9, "dram": 100e-9}
    peaks = {f"cpu.bandwidth.read.{k}.1": Quantity(v, "B/s") for k, v in rates.items()}
    peaks |= {f"cpu.latency.{k}": Quantity(v, "s") for k, v in latencies.items()}
    peaks |= {"cpu.bandwidth.copy.dram.1": Quantity(16e9, "B/s"), "cpu.cost.page_fault": Quantity(2e-7, "s")}
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


def test_write_allocate_and_little():
    assert x.write_allocate.predict(passport()).data == {"copy": 1.5, "triad": pytest.approx(4 / 3)}
    outcome = x.independent.predict(passport())
    assert outcome.data["limit"] == pytest.approx(20e9 * 100e-9 / 64)
    assert outcome.quantity.value == 16


def test_one_node_is_unavailable_and_two_predict_the_distance():
    with pytest.raises(Unavailable, match="one NUMA node"):
        x.numa.predict(passport())
    assert x.numa.predict(passport(nodes=2)).quantity.value == pytest.approx(2.1)


def measured(value, data, low=None, high=None, unit="1"):
    return Outcome(Quantity(value, unit, low or value, high or value, 9), data)


@pytest.mark.parametrize(
    ("experiment", "result", "words"),
    [
        (x.write_allocate, measured(1.0, {}, 0.98, 1.02), "the same time"),
        (x.write_allocate, measured(1.41, {}, 1.39, 1.44), "moves three"),
        (x.write_allocate, measured(1.9, {}, 1.8, 2.0), "larger than the traffic"),
        (x.independent, measured(7.0, {}), "less than streaming promised"),
        (x.independent, measured(15.0, {}), "no fixed number"),
        (x.independent, measured(15.0, {}, 1.5, 23.0), "can't tell"),
        (x.loader, measured(1.9, {"workers": [0, 1, 2, 4], "speedup": [1, 1, 1.9, 1.9]}), "as good as any"),
        (
            x.loader,
            measured(1.0, {"workers": [0, 1, 2, 4], "speedup": [1, 0.9, 1.0, 1.1]}),
            "brought nothing",
        ),
        (
            x.loader,
            measured(1.9, {"workers": [0, 1, 2, 4], "speedup": [1, 1, 1.9, 1.5]}),
            "share the same cores",
        ),
    ],
)
def test_the_result_selects_the_text(experiment, result, words):
    assert words in " ".join(experiment.explain(experiment.predict(passport()), result).split())


@pytest.mark.parametrize(
    ("value", "words"),
    [(90e-9, "misses the table"), (55e-9, "agree"), (30e-9, "lies below")],
)
def test_the_latency_text_names_the_side_of_the_gap(value, words):
    result = measured(value, {"seconds": [1e-9, value]}, unit="s")
    assert words in " ".join(x.latency.explain(x.latency.predict(passport()), result).split())


def test_the_latency_text_notices_a_crowded_last_cache():
    prediction = x.latency.predict(passport())
    sizes, seconds = prediction.data["sizes"], prediction.data["seconds"]
    quiet = measured(55e-9, {"sizes": sizes, "seconds": seconds}, unit="s")
    crowded = [3 * s if 2 * MiB < size <= 16 * MiB else s for size, s in zip(sizes, seconds)]
    assert "strangers" not in x.latency.explain(prediction, quiet)
    assert "up to 3.0 times" in x.latency.explain(
        prediction, dataclasses.replace(quiet, data={"sizes": sizes, "seconds": crowded})
    )


def test_the_bandwidth_text_notices_a_last_level_that_ends_late():
    prediction = x.bandwidth.predict(passport())
    sizes = prediction.data["sizes"]
    flat = measured(20e9, {"sizes": sizes, "rates": prediction.data["rates"]}, unit="B/s")
    late = [39e9 if s <= 64 * MiB else r for s, r in zip(sizes, prediction.data["rates"])]
    assert "late" not in x.bandwidth.explain(prediction, flat)
    assert "late" in x.bandwidth.explain(
        prediction, dataclasses.replace(flat, data={"sizes": sizes, "rates": late})
    )


def test_loading_the_weights_touches_what_it_says_it_touches():
    outcome = x.weights.run()
    opened, touched = outcome.data["mmap"][0], outcome.data["mmap and touch"][0]
    assert 0 < opened < touched
    prediction = x.weights.predict(passport())
    assert "time" in x.weights.explain(prediction, outcome) or "mmap" in x.weights.explain(
        prediction, outcome
    )
    assert prediction.data["size"] == outcome.data["size"]


def test_every_experiment_has_its_own_id_and_a_question():
    ids = [e.id for e in x.EXPERIMENTS]
    assert len(set(ids)) == len(ids)
    assert all(e.slug == "cpu_memory" and e.question.endswith("?") for e in x.EXPERIMENTS)
