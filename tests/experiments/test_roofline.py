import json

import pytest

from lessons import figures, topology
from lessons.datasheets import model
from lessons.experiments import looks
from lessons.experiments import roofline as x
from lessons.experiments.base import Outcome, Unavailable
from lessons.experiments.roofline import step as roofline_step
from lessons.experiments.roofline.batch import crossing
from lessons.experiments.roofline.sweep import bend
from lessons.passport import Passport
from lessons.units import MiB, Quantity


def passport(**changes):
    """A made-up machine with round numbers: ridges of 2 (L2) and 10 (DRAM) for a copy, 8 for a read."""
    rates = {"read.l2": 80e9, "read.dram": 20e9, "copy.l2": 80e9, "copy.dram": 16e9}
    peaks = {f"cpu.bandwidth.{k}.1": Quantity(v, "B/s") for k, v in rates.items()}
    peaks |= {
        "cpu.flops.float32.1": Quantity(160e9, "FLOP/s"),
        "cpu.matmul.float32.1": Quantity(80e9, "FLOP/s"),
    }
    peaks |= {"cpu.cost.page_fault": Quantity(4.096e-7, "s")}
    machine = {"cores": 1, "caches": [], "nodes": []}
    return Passport(machine, "made up", "2026-01-01", {}, peaks | changes, {})


def sweep_result(bend=10.0, knee=0.9, peak=160e9):
    """A measured sweep of one level whose asymptotes cross at ``bend``."""
    intensity = [0.25, 1.0, 10.0, 40.0, 160.0]
    rate = [i * peak / bend for i in intensity[:2]] + [knee * 160e9, peak, peak]
    points = {"bytes": 8e6, "degree": [1, 4, 40, 160, 640], "intensity": intensity, "rate": rate}
    return Outcome(Quantity(bend, "FLOP/B"), {"dram": {**points, "low": rate, "high": rate}})


def test_the_bend_is_the_ridge():
    prediction = x.sweep.predict(passport())
    assert prediction.quantity.value == pytest.approx(10)
    assert bend(sweep_result(bend=12.5, knee=0.7).data["dram"]).value == pytest.approx(12.5)


@pytest.mark.parametrize(
    ("bend", "knee", "words"),
    [
        (10.0, 0.95, "where the passport said"),
        (10.0, 0.95, "nearly perfect: 95 %"),
        (10.0, 0.7, "the knee is round"),
        (10.0, 0.3, "something else used the core"),
        (6.0, 0.9, "left of the prediction"),
        (14.0, 0.9, "right of the prediction"),
    ],
)
def test_the_sweep_explains_what_came_out(bend, knee, words):
    assert words in x.sweep.explain(x.sweep.predict(passport()), sweep_result(bend, knee))


def test_rows_for_twice_the_time():
    # Weights alone: 4 bytes at 20 GB/s for a row, 2 FLOP at 80 GFLOP/s for each more: equal at 8, double at 16.
    assert x.batch.predict(passport()).quantity.value == pytest.approx(16, rel=0.02)
    assert crossing([1, 2, 4], [1.0, 1.0, 4.0]) == pytest.approx(2 * 2**0.5)
    assert crossing([1, 2], [1.0, 1.5]) == 2


@pytest.mark.parametrize(
    ("rows", "library", "words"),
    [
        (16, 2.0, "packs the matrix"),
        (16, 1.05, "within a fifth"),
        (16, 1.05, "where the two roofs"),
        (8, 2.0, "comes early"),
        (30, 2.0, "comes late"),
    ],
)
def test_the_batch_explains_the_library_and_the_doubling(rows, library, words):
    data = {"rows": [1, 2, 4, 8, 16], "ours": [1.0] * 4, "library": [library] * 5}
    result = Outcome(Quantity(rows, "rows"), data)
    assert words in x.batch.explain(x.batch.predict(passport()), result)


def test_the_models_products_make_up_its_parameters():
    shape = model("smollm2-135m")
    works, calls = roofline_step.works(shape, 1, 1024), roofline_step.calls(shape)
    products = ("q, k, v", "output", "gate, up", "down", "head")
    flop = sum(works[name].flop * calls[name] for name in products)
    assert flop == pytest.approx(2 * shape.parameters, rel=1e-3)
    assert works["gate, up"].intensity == pytest.approx(0.5, rel=0.01)


def test_the_model_names_what_is_overhead():
    experiment = x.model_step
    prediction = experiment.predict(passport())
    bound = {name: item["seconds"] for name, item in prediction.data["decode"].items()}
    at_the_roof = Outcome(Quantity(1, "s"), {"decode": bound})
    assert "No small operation is far below" in experiment.explain(prediction, at_the_roof)
    slow = Outcome(Quantity(1, "s"), {"decode": bound | {"norm": 9 * bound["norm"]}})
    assert "Far below both roofs: `norm`" in experiment.explain(prediction, slow)
    assert "`gate, up`" in experiment.explain(prediction, slow)
    assert "quiet machine" not in experiment.explain(prediction, slow)
    busy = Outcome(Quantity(1, "s"), {"decode": bound | {"down": 9 * bound["down"]}})
    assert "quiet machine" in experiment.explain(prediction, busy)


def test_the_model_says_where_the_gap_lies():
    experiment = x.model_step
    prediction = experiment.predict(passport())
    bound = {name: item["seconds"] for name, item in prediction.data["decode"].items()}
    explain = lambda decode: experiment.explain(prediction, Outcome(Quantity(1, "s"), {"decode": decode}))  # noqa: E731
    assert "within a tenth" in explain(bound)
    assert "`attention` and `head` make 100 %" in explain(
        bound | {"attention": 9 * bound["attention"], "head": 1.5 * bound["head"]}
    )


def test_the_gain_of_fusion_is_traffic_and_faults():
    parts = x.fusion.predict(passport()).data["parts"]
    fused = parts["fused"]["traffic"]
    # 4,096 bytes in 409.6 ns: a page fault costs 0.1 ns a byte, and a copy at 16 GB/s 0.125 ns a byte.
    assert parts["naive"]["faults"] == pytest.approx(4 * fused * 0.1 / 0.125, rel=1e-3)
    assert parts["preallocated"]["traffic"] == pytest.approx(3 * fused)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ((8, 3, 1.5, 1), "not fusion at all"),
        ((8, 7, 1.5, 1), "Most of the time saved is traffic"),
        ((8, 3, 1.5, 1), "still takes 1.5 times"),
        ((8, 3, 1.1, 1), "as good as the compiler's"),
    ],
)
def test_fusion_explains_its_gain(times, words):
    data = {n: [t, t, t] for n, t in zip(("naive", "preallocated", "blocked", "fused"), times)}
    assert words in x.fusion.explain(x.fusion.predict(passport()), Outcome(Quantity(8, "1"), data))


def test_the_cpu_experiments_run_and_draw_on_little_memory():
    # Small sizes: this shows that all parts fit together, not how fast they are.
    for experiment in (x.Sweep(MiB), x.Batch(MiB), x.Fusion(MiB), x.ModelStep(context=16, prompt=9)):
        prediction, result = experiment.predict(passport()), experiment.run()
        result = Outcome.from_json(json.loads(json.dumps(result.to_json())))
        assert result.quantity.value > 0 and result.quantity.unit == experiment.unit
        figure, _ = figures.new(experiment.panels)
        experiment.draw(prediction, result, figure)
        assert figures.render(figure, experiment.alt(prediction, result)).png
        assert experiment.explain(prediction, result)


def test_the_machine_has_a_roof_of_all_threads_where_there_are_more():
    assert looks.machine(passport()).alt.endswith("2 at L2, 8 at DRAM.")
    both = {
        "cpu.bandwidth.read.dram.2": Quantity(30e9, "B/s"),
        "cpu.flops.float32.2": Quantity(300e9, "FLOP/s"),
    }
    two = passport(**both)
    two.machine["cores"] = 2
    picture = looks.machine(two)
    assert "All 2 threads have" in picture.alt and picture.alt.endswith("ridge at 10.")
    assert "2 threads, DRAM, 30.0 GB/s" in picture.html


@pytest.mark.skipif(bool(topology.read().gpus), reason="this machine has a CUDA device")
def test_without_a_device_the_gpu_sweep_says_so_and_cites_the_sheet():
    with pytest.raises(Unavailable, match="no CUDA device"):
        x.gpu_sweep.run()
    assert "20 FLOP/byte" in x.gpu_sweep.cited
