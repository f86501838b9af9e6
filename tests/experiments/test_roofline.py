from dataclasses import replace

import pytest

from lessons import figures
from lessons.datasheets import model
from lessons.experiments import looks
from lessons.experiments import roofline as x
from lessons.experiments.base import Outcome
from lessons.experiments.roofline import step as roofline_step
from lessons.experiments.roofline.batch import _crossing, crossing
from lessons.experiments.roofline.sweep import at_bend, bend
from lessons.passport import Passport
from lessons.units import Quantity


def passport(**changes):
    """A made-up machine with round numbers: ridges of 2 (L2) and 10 (DRAM) for a copy, 8 for a read."""
    rates = {"read.l2": 80e9, "read.dram": 20e9, "copy.l2": 80e9, "copy.dram": 16e9}
    peaks = {f"cpu.bandwidth.{k}.1": Quantity(v, "B/s") for k, v in rates.items()}
    peaks |= {
        "cpu.flops.float32.1": Quantity(160e9, "FLOP/s"),
        "cpu.matmul.float32.1": Quantity(80e9, "FLOP/s"),
    }
    peaks["cpu.product.row_end"] = Quantity(20e-9, "s")
    peaks["cpu.product.float32.float32"] = Quantity(60e9, "FLOP/s")
    peaks |= {"cpu.cost.page_fault": Quantity(4.096e-7, "s")}
    machine = {"cores": 1, "caches": [], "nodes": []}
    return Passport(machine, "made up", "2026-01-01", {}, peaks | changes, {})


def near(value, unit, share=0.02):
    return Quantity(value, unit, (1 - share) * value, (1 + share) * value, 5)


def sweep_result(bend=10.0, knee=0.9, peak=160e9, name="dram"):
    """A measured sweep of one level whose asymptotes cross at ``bend``, where it reaches ``knee`` of both."""
    intensity = [bend * f for f in (1 / 40, 1 / 10, 1, 4, 16)]
    rate = [near(r, "FLOP/s") for r in [*(i * peak / bend for i in intensity[:2]), knee * peak, peak, peak]]
    points = {"bytes": 8e6, "degree": [4 * i for i in intensity], "intensity": intensity, "rate": rate}
    return Outcome(near(bend, "FLOP/B"), {name: points})


def batch_result(rows, library, first=1.0, further=1.0, machine=None):
    """Times of products whose first row, and each further one, take so many times what is predicted."""
    p = x.batch.predict(machine or passport()).data
    ours = [first * p["first"] + (m - 1) * further * p["further"] for m in (1, 2, 4, 8)]
    data = {
        "outputs": round(p["first"] * p["bandwidth"] / (4 * x.batch.inputs)),
        "rows": [1, 2, 4, 8, 64],
        "ours": [near(t, "s") for t in ours],
        "library": [near(library * t, "s") for t in [*ours, 8 * ours[-1]]],
    }
    return Outcome(near(rows, "rows"), data)


def model_result(times, machine=None, prompt=1.0, **slower):
    """A step that takes ``times`` what is predicted, and each operation its bound but those that are slower.

    Those of the prompt take ``prompt`` times their bound.
    """
    prediction = x.model_step.predict(machine or passport())
    foretold = prediction.data
    decode = {name: near(slower.get(name, 1.0) * w["seconds"], "s") for name, w in foretold["decode"].items()}
    prefill = {name: near(prompt * w["seconds"], "s") for name, w in foretold["prefill"].items()}
    return Outcome(near(times * prediction.quantity.value, "s"), {"decode": decode, "prefill": prefill})


def fusion_result(*times):
    """Times of the four ways, in units of the predicted time of the fused one; the naive one's is 7.2."""
    unit = x.fusion.predict(passport()).ends["fused"].value
    data = {way: near(t * unit, "s") for way, t in zip(("naive", "preallocated", "blocked", "fused"), times)}
    ends = {way: data[way] for way in ("naive", "fused")}
    return Outcome(data["naive"].ratio(data["fused"]), data, ends=ends)


# A product so fast that our kernel ends before its time has doubled, and ends of rows that take long, or nothing.
MANY = {"cpu.product.float32.float32": Quantity(160e9, "FLOP/s")}
ENDS = passport(**{"cpu.product.row_end": Quantity(200e-9, "s")})
NO_ENDS = passport(**{"cpu.product.row_end": Quantity(0.0, "s", 0.0, 2e-9, 15)})
CUDA = {
    "cuda.flops.float32": Quantity(160e9, "FLOP/s"),
    "cuda.bandwidth.copy.dram": Quantity(16e9, "B/s"),
}
LESS, MORE = "less-than-foreseen", "more-than-foreseen"
BENDS = [
    (sweep_result(10.0, 0.95), ["as-foreseen", "overlap"]),
    (sweep_result(10.0, 0.3), ["as-foreseen", "slower-than-both"]),
    (sweep_result(6.0, 0.9), [LESS, "slope-decides", "overlap", "roof-too-low"]),
    (sweep_result(6.0, 0.9, 96e9), [LESS, "height-decides", "overlap"]),
    (sweep_result(6.0, 0.9, 124e9), [LESS, "both-decide", "overlap", "roof-too-low"]),
    (sweep_result(14.0, 0.9), [MORE, "slope-decides", "overlap"]),
    (sweep_result(12.5, 0.5), ["cant-tell", "overlap-cant-tell"]),
    (sweep_result(9.0, 0.95), ["as-foreseen", "overlap", "over-the-roof"]),
]
OWN, ALIKE = "own-rows", "library-alike"
ROWS = [
    (batch_result(7, 2.0), [OWN, "library-slower", "doubled", "as-foreseen"]),
    (batch_result(4, 1.0, further=2.0), [OWN, ALIKE, "doubled", LESS, "further-rows-decide"]),
    (batch_result(4, 1.0, first=0.5), [OWN, "rates-too-low", ALIKE, "doubled", LESS, "first-row-decides"]),
    (batch_result(30, 0.5), [OWN, "library-faster", "doubled", MORE, "both-decide"]),
    (batch_result(30, 1.0, further=0.0), [OWN, ALIKE, "doubled", MORE, "no-further-cost"]),
    (batch_result(30, 1.0, first=9.0, further=-1.0), [OWN, ALIKE, "doubled", MORE, "no-further-cost"]),
    (batch_result(8.7, 1.0), [OWN, ALIKE, "doubled", "cant-tell"]),
    (batch_result(64, 1.0), [OWN, ALIKE, "not-doubled"]),
]
EXAMPLES = [
    *[(x.sweep, passport(), result, findings) for result, findings in BENDS],
    *[(x.gpu_sweep, passport(**CUDA), result, findings) for result, findings in BENDS],
    *[(x.batch, passport(), result, findings) for result, findings in ROWS],
    (
        x.batch,
        passport(**MANY),
        batch_result(16, 1.0, machine=passport(**MANY)),
        ["library-rows", ALIKE, "doubled", "as-foreseen"],
    ),
    (x.model_step, passport(), model_result(1.0), ["row-ends", "as-foreseen", "no-calls"]),
    (x.model_step, passport(), model_result(1.5, norm=9.0), ["row-ends", MORE, "calls"]),
    (x.model_step, passport(), model_result(1.5, prompt=9.0, norm=9.0), ["row-ends", MORE, "small-slow"]),
    (
        x.model_step,
        passport(),
        model_result(1.25, down=9.0),
        ["row-ends", "cant-tell", "below-their-roof", "ends-left-out", "no-calls"],
    ),
    (x.model_step, passport(), model_result(0.6), ["row-ends", LESS, "memory-faster", "no-calls"]),
    (x.model_step, ENDS, model_result(0.7, ENDS), ["row-ends", LESS, "ends-hidden", "no-calls"]),
    (
        x.model_step,
        ENDS,
        model_result(0.3, ENDS),
        ["row-ends", LESS, "memory-faster", "ends-too-long", "no-calls"],
    ),
    (
        x.model_step,
        NO_ENDS,
        model_result(1.0, NO_ENDS, down=9.0),
        ["no-row-ends", "as-foreseen", "below-their-roof", "no-calls"],
    ),
    *[
        (x.fusion, passport(), fusion_result(*times), findings)
        for times, findings in (
            ((9, 3, 1.5, 1), ["faults-most", "blocked-slower", "cant-tell"]),
            ((7.2, 7, 1.0, 1), ["traffic-most", "blocked-alike", "as-foreseen"]),
            ((20, 10.5, 1.0, 1), ["parts-cant-tell", "blocked-alike", MORE, "fresh-memory-decides"]),
            ((4, 2, 1.0, 1), ["faults-most", "blocked-alike", LESS, "fresh-memory-decides"]),
            ((14.4, 14, 2.0, 2), ["traffic-most", "blocked-alike", "errors-cancel"]),
            ((1, 1, 0.8, 1), ["gain-cant-tell", "blocked-faster", LESS, "fresh-memory-decides"]),
            ((0.8, 0.8, 0.8, 1), ["no-gain", "blocked-faster", LESS, "fresh-memory-decides"]),
            (
                (5.2, 3.5, 0.5, 0.5),
                ["traffic-most", "blocked-alike", MORE, "copy-decides", "faster-than-the-passport"],
            ),
            (
                (2, 0.6, 0.8, 0.2),
                [
                    *("faults-most", "blocked-slower", "blocked-no-gain"),
                    *(MORE, "both-decide", "faster-than-the-passport"),
                ],
            ),
        )
    ],
]


def test_the_bend_is_the_ridge():
    prediction = x.sweep.predict(passport())
    assert prediction.quantity.value == pytest.approx(10)
    assert bend(sweep_result(bend=12.5, knee=0.7).data["dram"]).value == pytest.approx(12.5)


def test_at_the_bend_loads_and_arithmetic_take_equally_long():
    loads, sums, took, degree = at_bend(sweep_result(knee=0.7).data["dram"])
    assert degree == 40 and loads.value == pytest.approx(sums.value)
    assert took.value == pytest.approx(loads.value / 0.7)


def test_rows_for_twice_the_time():
    prediction = x.batch.predict(passport())
    # Weights alone: 4 bytes at 20 GB/s for a row, 2 FLOP at 80 GFLOP/s for each more: equal at 8, double at 16.
    assert prediction.textbook.value == pytest.approx(16, rel=0.02)
    # Each further row is extra, 2 FLOP at 60 GFLOP/s, and a reading takes 4 bytes at 20 GB/s: double after 6 more.
    assert prediction.quantity.value == pytest.approx(7, rel=0.03)
    assert crossing([1, 2, 4], [1.0, 1.0, 4.0]) == pytest.approx(2 * 2**0.5)
    assert crossing([1, 2], [1.0, 1.5]) == 2


def test_the_interval_of_the_doubling_holds_its_value_where_one_row_is_known_badly():
    # What a busy machine gave: one row took anything from 1.3 to 3 s.
    times = [(2.0, 1.3, 3.0), (2.2, 2.0, 2.6), (2.5, 2.1, 2.9), (6.0, 5.0, 7.0)]
    doubling = _crossing([1, 2, 4, 8], [Quantity(value, "s", low, high, 7) for value, low, high in times])
    assert doubling.low == 1
    assert doubling.low < doubling.value < doubling.high


def test_the_models_products_make_up_its_parameters():
    shape = model("smollm2-135m")
    works, calls = roofline_step.works(shape, 1, 1024), roofline_step.calls(shape)
    products = ("q, k, v", "output", "gate, up", "down", "head")
    flop = sum(works[name].flop * calls[name] for name in products)
    assert flop == pytest.approx(2 * shape.parameters, rel=1e-3)
    assert works["gate, up"].intensity == pytest.approx(0.5, rel=0.01)


def test_a_token_takes_its_bounds_and_the_ends_of_all_rows():
    prediction = x.model_step.predict(passport())
    rows = 30 * (960 + 576 + 3072 + 576) + 49152
    assert prediction.quantity.value - prediction.textbook.value == pytest.approx(rows * 20e-9)


def test_the_gain_of_fusion_is_traffic_and_faults():
    parts = x.fusion.predict(passport()).data["parts"]
    fused = parts["fused"]["traffic"]
    # 4,096 bytes in 409.6 ns: a page fault costs 0.1 ns a byte, and a copy at 16 GB/s 0.125 ns a byte.
    assert parts["naive"]["faults"] == pytest.approx(4 * fused * 0.1 / 0.125, rel=1e-3)
    assert parts["preallocated"]["traffic"] == pytest.approx(3 * fused)


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


def test_a_roof_of_all_threads_that_is_the_lower_one_hides_no_other_and_says_that_it_is_doubtful():
    rows = {
        "cpu.bandwidth.read.dram.2": Quantity(15e9, "B/s"),
        "cpu.flops.float32.2": Quantity(8e9, "FLOP/s"),
    }
    busy = replace(passport(**rows), doubts={"cpu.flops.float32.2": "less than half of one"})
    busy.machine["cores"] = 2
    figure, tops = figures.new, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "new", lambda *a, **k: tops.append(figure(*a, **k)) or tops[-1])
        picture = looks.machine(busy)
    assert tops[0][1][0].get_ylim()[1] > 160e9
    assert "2 threads, DRAM, 15.0 GB/s, doubtful" in picture.html and picture.alt.endswith(", doubtful.")
