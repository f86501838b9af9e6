"""The chapter on GPU memory: predictions worked out by hand, and results that reach each finding."""

import pytest

from lessons.experiments import gpu_memory as x
from lessons.experiments.base import Outcome
from lessons.passport import Passport
from lessons.units import Quantity

LESS, MORE, WELL = "less-than-foreseen", "more-than-foreseen", "as-foreseen"
CACHES = [
    {"level": "l1", "bytes": 32768, "line": 64, "cores": 1},
    {"level": "l2", "bytes": 1 << 20, "line": 64, "cores": 1},
]


def near(value, unit, share=0.02):
    return Quantity(value, unit, (1 - share) * value, (1 + share) * value, 7)


def passport(caches=CACHES, **changes):
    """A made-up machine with round numbers."""
    rates = {
        **{"cpu.bandwidth.read.l2.1": 80e9, "cpu.bandwidth.copy.l2.1": 64e9},
        **{"cpu.bandwidth.read.dram.1": 20e9, "cpu.bandwidth.copy.dram.1": 16e9},
        **{
            "cuda.bandwidth.read.dram": 16e9,
            "cuda.bandwidth.copy.dram": 16e9,
            "cuda.bandwidth.copy.l2": 32e9,
        },
    }
    rates["cpu.bandwidth.copy_nt.dram.1"] = 24e9
    peaks = {key: Quantity(rate, "B/s") for key, rate in rates.items()}
    peaks |= {"cpu.latency.l2": Quantity(5e-9, "s"), "cpu.latency.dram": Quantity(1e-7, "s")}
    machine = {"cores": 1, "caches": caches, "nodes": [], "gpus": ["made up"]}
    return Passport(machine, "made up", "2026-01-01", {}, peaks | changes, {"cpu.dram": 1 << 27})


# strided


def strided_result(experiment, rate=1.0, slower=1.0, times=None, two=1.0, share=0.02):
    """Passes that read memory at ``rate`` times the passport's, and ``slower`` times that where lines are not whole."""
    prediction = experiment.predict(passport()).data
    unit, strides = prediction["unit"], prediction["strides"]
    place = strides.index(unit // 4)
    factors = [rate * (slower if i >= place else 1) * (two if i > place else 1) for i in range(len(strides))]
    useful = [near(f * u, "B/s", share) for f, u in zip(factors, prediction["useful"])]
    found = [near(times or 1 / slower, "1", share)] * len(strides)
    whole = near(rate * prediction["useful"][0], "B/s")
    data = {"unit": unit, "strides": strides, "useful": useful, "times": found, "rate": whole}
    return Outcome(useful[place], data)


FULL, ALIKE = "full-time", "further-alike"
STRIDED = [
    ({}, [FULL, ALIKE, WELL]),
    ({"two": 0.6}, [FULL, "further-less", WELL]),
    ({"two": 0.5}, [FULL, "further-less", WELL]),
    ({"two": 0.35}, [FULL, "further-half", WELL]),
    ({"two": 1.6}, [FULL, "further-more", WELL]),
    ({"two": 0.8}, [FULL, "further-cant-tell", WELL]),
    ({"rate": 1.5}, [FULL, ALIKE, MORE, "rate-decides"]),
    ({"rate": 0.6}, [FULL, ALIKE, LESS, "rate-decides"]),
    ({"slower": 0.6}, ["more-time", ALIKE, LESS, "pattern-decides"]),
    ({"slower": 1.6}, ["less-time", ALIKE, MORE, "pattern-decides"]),
    ({"rate": 0.6, "slower": 0.8, "times": 1}, [FULL, ALIKE, LESS, "cause-cant-tell"]),
    ({"slower": 0.8}, ["time-cant-tell", ALIKE, "cant-tell"]),
]


# transpose


def transpose_result(experiment, **times):
    """Times in units of the least time; what is not named takes the least time."""
    least = experiment.predict(passport()).quantity.value
    found = {way: near(times.get(way, 1.0) * least, "s") for way in experiment.WAYS}
    chosen = "padded" if experiment.device == "cuda" else "blocked_apart"
    return Outcome(found[chosen], {"side": 4096, "times": found})


# A column lies in the made-up machine's L2. For each float a copy moves 8 bytes at 24 GB/s, and the naive loop 128
# bytes at 64 GB/s, 6 times as long; waiting for each line takes 5 ns, 15 times as long.
SETS, SOME, GAIN = "sets-cost", "some-overlap", "squares-gain"
SQUARES = [
    ({"naive": 40, "naive_apart": 10}, [SETS, SOME, GAIN, WELL]),
    ({"naive": 10, "naive_apart": 10}, ["sets-alike", SOME, GAIN, WELL]),
    ({"naive": 7, "naive_apart": 10}, ["sets-gain", SOME, GAIN, WELL]),
    ({"naive": 40, "naive_apart": 20}, [SETS, "none-overlap", GAIN, WELL]),
    ({"naive": 40, "naive_apart": 6}, [SETS, "overlap-cant-tell", GAIN, WELL]),
    ({"naive": 40, "naive_apart": 4}, [SETS, "all-overlap", GAIN, WELL]),
    ({"naive": 40, "naive_apart": 10, "blocked_apart": 1.25}, [SETS, SOME, GAIN, "cant-tell"]),
    ({"naive": 40, "naive_apart": 10, "blocked_apart": 0.8}, [SETS, SOME, GAIN, "bound-beaten"]),
    ({"naive": 40, "naive_apart": 10, "blocked_apart": 1.6}, [SETS, SOME, GAIN, MORE, "squares-decide"]),
    (
        {"naive": 40, "naive_apart": 10, "blocked_apart": 1.6, "copy": 1.5},
        [SETS, SOME, GAIN, MORE, "copy-decides"],
    ),
    (
        {"naive": 40, "naive_apart": 10, "blocked_apart": 1.9, "copy": 1.5},
        [SETS, SOME, GAIN, MORE, "cause-cant-tell"],
    ),
    ({"naive_apart": 1, "blocked_apart": 1}, ["sets-alike", "all-overlap", "squares-alike", WELL]),
    ({"naive_apart": 1, "blocked_apart": 1.1}, ["sets-alike", "all-overlap", "squares-cost", WELL]),
]
SECTORS, TURNS, XOR = "sectors-cost", "banks-cost", "swizzle-alike"
TILES = [
    ({"naive": 2.2, "tiled": 1.5}, [SECTORS, TURNS, XOR, WELL]),
    ({}, ["sectors-alike", "banks-alike", XOR, WELL]),
    ({"naive": 0.9, "tiled": 0.9}, ["sectors-gain", "banks-gain", XOR, WELL]),
    ({"naive": 2.2, "tiled": 1.5, "swizzled": 0.9}, [SECTORS, TURNS, "swizzle-gain", WELL]),
    ({"naive": 2.2, "tiled": 1.5, "swizzled": 1.1}, [SECTORS, TURNS, "swizzle-cost", WELL]),
    ({"naive": 3, "tiled": 3, "padded": 1.6, "swizzled": 1.6}, [SECTORS, TURNS, XOR, MORE, "tiles-decide"]),
    (
        {"naive": 3, "tiled": 3, "padded": 1.6, "swizzled": 1.6, "copy": 1.6},
        [SECTORS, TURNS, XOR, MORE, "copy-decides"],
    ),
    (
        {"naive": 3, "tiled": 3, "padded": 1.6, "swizzled": 1.6, "copy": 1.28},
        [SECTORS, TURNS, XOR, MORE, "cause-cant-tell"],
    ),
    ({"naive": 3, "tiled": 3, "padded": 1.25, "swizzled": 1.25}, [SECTORS, TURNS, XOR, "cant-tell"]),
    ({"naive": 3, "tiled": 3, "padded": 0.8, "swizzled": 0.8}, [SECTORS, TURNS, XOR, "bound-beaten"]),
]
CASES = [(x.strided, strided_result, STRIDED), (x.gpu_strided, strided_result, STRIDED)]
CASES += [(x.transpose, transpose_result, SQUARES), (x.gpu_transpose, transpose_result, TILES)]
EXAMPLES = [
    (experiment, passport(), make(experiment, **made), found)
    for experiment, make, cases in CASES
    for made, found in cases
]


@pytest.mark.parametrize(("experiment", "unit", "rate"), [(x.strided, 64, 20e9), (x.gpu_strided, 32, 16e9)])
def test_useful_bandwidth_falls_until_each_float_has_a_line_to_itself(experiment, unit, rate):
    prediction = experiment.predict(passport())
    assert prediction.quantity.value == pytest.approx(rate * 4 / unit)
    useful = dict(zip(prediction.data["strides"], prediction.data["useful"]))
    for stride, value in useful.items():
        # Counted line by line over a piece of the array, and not by the formula's minimum.
        lines = {4 * i // unit for i in range(0, 4096, stride)}
        assert value == pytest.approx(rate * 4 * len(range(0, 4096, stride)) / (unit * len(lines)))


def test_a_line_of_another_length_is_taken_from_the_machine_and_64_bytes_where_it_tells_of_none():
    long = [{**cache, "line": 128} for cache in CACHES]
    assert x.strided.predict(passport(long)).quantity.value == pytest.approx(20e9 / 32)
    assert x.strided.predict(passport([])).quantity.value == pytest.approx(20e9 / 16)


def test_a_transpose_is_a_copy_at_least_and_a_column_lies_in_the_first_cache_that_holds_its_lines():
    prediction = x.transpose.predict(passport())
    # 128 MiB for both: 4,096 on a side, and 4,096 lines of 64 bytes are more than L1's 32 KiB and less than L2's MiB.
    assert prediction.quantity.value == pytest.approx(2 * 4 * 4096**2 / 24e9)
    assert prediction.data["level"] == "l2"
    assert prediction.data["moved"] == pytest.approx(4096**2 * 128 / 64e9)
    assert prediction.data["waits"] == pytest.approx(4096**2 * 5e-9)


def test_without_cache_sizes_the_lines_of_a_column_are_counted_as_memorys():
    assert x.transpose.predict(passport([])).data["level"] == "dram"


def test_a_transpose_on_a_gpu_sends_a_sector_for_each_float_that_it_writes_down_a_column():
    prediction = x.gpu_transpose.predict(passport())
    floats = 8192**2
    assert prediction.quantity.value == pytest.approx(floats * 8 / 16e9)
    assert prediction.data["naive"] == pytest.approx(floats * (4 + 32) / 32e9)
