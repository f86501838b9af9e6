from itertools import pairwise

import pytest

from lessons.experiments import gpu_memory as x
from lessons.experiments.base import Outcome, Unavailable
from lessons.experiments.gpu_memory.copy import CARDS, sheet_bandwidth
from lessons.experiments.gpu_memory.product import tile_for
from lessons.experiments.gpu_memory.reread import sizes
from lessons.passport import Passport
from lessons.units import KiB, MiB, Quantity

LESS, MORE = "less-than-foreseen", "more-than-foreseen"


def passport(gpu="", **changes):
    """A made-up machine with round numbers, and a card where one is named."""
    rates = {"l1": 200e9, "l2": 100e9, "l3": 50e9, "dram": 20e9}
    peaks = {f"cpu.bandwidth.read.{k}.1": Quantity(v, "B/s") for k, v in rates.items()}
    peaks["cpu.flops.float32.1"] = Quantity(100e9, "FLOP/s")
    if gpu:
        peaks |= {f"cuda.bandwidth.{k}.l2": Quantity(6e12, "B/s") for k in ("read", "copy")}
        peaks |= {f"cuda.bandwidth.{k}.dram": Quantity(3e12, "B/s") for k in ("read", "copy")}
        peaks |= {f"cuda.{k}.float32": Quantity(64e12, "FLOP/s") for k in ("flops", "matmul")}
    caches = [
        {"level": level, "bytes": size, "line": 64, "cores": 1}
        for level, size in (("l1", 32 * KiB), ("l2", 1 * MiB), ("l3", 32 * MiB))
    ]
    machine = {"cores": 1, "caches": caches, "nodes": [], "gpus": [gpu] if gpu else []}
    return Passport(
        machine, "made up", "2026-01-01", {}, peaks | changes, {"cpu.l3": 4 * MiB, "cpu.dram": 128 * MiB}
    )


def near(value, unit, share=0.02):
    return Quantity(value, unit, (1 - share) * value, (1 + share) * value, 5)


# The product


def product_result(naive=1.0, blocked=1.0, l1=1.0, pitched=1.0, share=0.02):
    """Times in multiples of what is predicted; those of the first cache's tile and of the pitch, of the other two."""
    p = x.product.predict(passport())
    tiles, best = p.data["tiles"], p.data["best"]
    ends = {
        "naive": near(naive * p.ends["naive"].value, "s", share),
        "blocked": near(blocked * p.ends["blocked"].value, "s", share),
    }
    seconds = [
        ends["blocked"].scaled(l1 if tile == p.data["textbook"] else 1 if tile == best else 3)
        for tile in tiles
    ]
    data = {"tiles": tiles, "seconds": seconds, "pitched": ends["naive"].scaled(pitched), "best": best}
    return Outcome(ends["naive"].ratio(ends["blocked"]), data, ends=ends)


PRODUCTS = [
    (product_result(), ["as-foreseen", "l1-alike", "pitch-alike"]),
    (product_result(naive=2.0, l1=1.5, pitched=2.0), [MORE, "naive-decides", "beyond-l1", "pitch-slower"]),
    (product_result(blocked=2.0, l1=0.8, pitched=0.8), [LESS, "blocked-decides", "l1-best", "pitch-faster"]),
    (product_result(naive=2.0, blocked=0.5), [MORE, "both-decide", "l1-alike", "pitch-alike"]),
    (product_result(naive=0.6), [LESS, "naive-decides", "lines-sooner", "l1-alike", "pitch-alike"]),
    # The lines are eight ninths of what is predicted: this run can't tell whether they came sooner.
    (product_result(naive=8 / 9), ["as-foreseen", "l1-alike", "pitch-alike"]),
    (product_result(naive=2.0, blocked=2.0), ["errors-cancel", "l1-alike", "pitch-alike"]),
    (product_result(share=0.3), ["cant-tell", "l1-alike", "pitch-alike"]),
]


def test_a_product_moves_a_line_per_multiply_add_or_its_tiles():
    p = x.product.predict(passport())
    n = x.product.n
    # A column's lines, 64 KiB, lie in the second cache, the three matrices of 4 MiB in the third.
    assert p.ends["naive"].value == pytest.approx(64 * n**3 / 100e9 + 4 * n**3 / 50e9)
    assert p.data["best"] == 256 and p.data["textbook"] == 32
    moved = 4 * (2 * n**3 / 256 + n**2)
    assert p.ends["blocked"].value == pytest.approx(2 * n**3 / 100e9 + moved / 50e9)
    # By numbers, all of them from the third: 8 bytes per multiply-add.
    assert p.data["numbers"] == pytest.approx(8 * n**3 / 50e9, rel=1e-3)
    assert p.textbook.value < p.quantity.value
    assert p.data["seconds"] == sorted(p.data["seconds"], reverse=True)


@pytest.mark.parametrize(("cache", "side"), [(32 * KiB, 32), (1 * MiB, 256), (64 * MiB, 256), (100, 4)])
def test_the_tile_for_a_cache_is_one_that_is_tried(cache, side):
    assert tile_for(cache, 1024) == side
    assert tile_for(cache, 64) == min(side, 64)


def test_what_neighbours_hold_of_the_last_cache_changes_no_tile():
    """``run`` knows the sizes that the system reports, and no passport: both must speak of the same tile."""
    crowded = passport(**{"cpu.held.l3": Quantity(300 * KiB, "B")})
    assert x.product.predict(crowded).data["best"] == x.product.predict(passport()).data["best"]


def test_a_product_of_this_machine_is_measured_as_it_is_predicted():
    """The small form: that the two speak of the same tiles, and of no speed."""
    small = x.product.small()
    result = small.run()
    assert result.data["tiles"] == [4, 8, 16, 32, 64] == small.predict(passport()).data["tiles"]
    assert result.ends.keys() == small.predict(passport()).ends.keys()


# Reading again


def reread_result(experiment, again=1.0, first=1.0, beyond=1.0, full=1.0, share=0.02):
    """Rates in multiples of what is predicted; beyond the last cache, of the rate of a first reading.

    A buffer that just fills it is read again at ``full`` times the rate of the compared one.
    """
    ends = {"again": near(again, "B/s", share).scaled(RATES[experiment.device][0])}
    ends["first"] = near(first, "B/s", share).scaled(RATES[experiment.device][1])
    after = ends["first"].scaled(beyond)
    places = [1 * MiB, 4 * MiB, 32 * MiB, 48 * MiB, 128 * MiB]
    data = {
        "sizes": places,
        "again": [*[ends["again"]] * 2, ends["again"].scaled(full), after, ends["first"]],
        "size": 4 * MiB,
    }
    data |= {"first": [ends["first"]] * (5 if experiment.device == "cpu" else 1)}
    if experiment.device == "cuda":
        data["caches"] = [32 * MiB]
    return Outcome(ends["again"].ratio(ends["first"]), data, ends=ends)


RATES = {"cpu": (50e9, 20e9), "cuda": (6e12, 3e12)}
REREADS = [
    ({}, ["as-foreseen", "cliff"]),
    ({"beyond": 1.5}, ["as-foreseen", "soft"]),
    ({"full": 0.7}, ["as-foreseen", "early", "cliff"]),
    ({"beyond": 1.25}, ["as-foreseen", "cliff-cant-tell"]),
    ({"again": 2.0}, [MORE, "cliff"]),
    ({"again": 0.5}, [LESS, "cliff"]),
    ({"again": 2.0, "first": 2.0}, ["errors-cancel", "cliff"]),
    ({"share": 0.2}, ["cant-tell", "cliff-cant-tell"]),
]


def test_a_second_reading_gains_what_the_rates_differ_by():
    assert x.reread.predict(passport()).quantity.value == pytest.approx(2.5)
    assert x.gpu_reread.predict(passport("NVIDIA H100 PCIe")).quantity.value == pytest.approx(2)


def test_a_buffer_that_the_second_cache_holds_is_read_again_at_its_rate():
    """Where neighbours leave less of the last cache than the buffer takes, nothing is gained."""
    held = passport(**{"cpu.held.l3": Quantity(2 * MiB, "B")})
    assert x.reread.predict(held).quantity.value == pytest.approx(1)
    held.sizes["cpu.l3"] = 512 * KiB
    assert x.reread.predict(held).quantity.value == pytest.approx(5)


def test_without_cache_sizes_there_is_nothing_to_predict_from():
    bare = passport()
    bare.machine["caches"] = []
    for experiment in (x.reread, x.product):
        with pytest.raises(Unavailable, match="sizes of its caches"):
            experiment.check(bare)


@pytest.mark.parametrize(
    ("least", "marked", "largest"), [(1 << 19, 1 << 22, 1 << 27), (1 << 20, 1 << 20, 1 << 20)]
)
def test_buffers_rise_to_the_largest_and_the_compared_one_is_among_them(least, marked, largest):
    found = sizes(least, marked, largest)
    assert found == sorted(set(found)) and {marked, largest} <= set(found)
    assert all(size % 4096 == 0 for size in found) and found[-1] == largest
    assert all(b <= 1.5 * a for a, b in pairwise(found))


def test_reading_twice_on_this_machine_gives_a_rate_for_each_buffer():
    result = x.reread.small().run()
    assert len(result.data["first"]) == len(result.data["again"]) == len(result.data["sizes"])
    assert result.quantity.value == pytest.approx(result.ends["again"].value / result.ends["first"].value)


# On a card


def card_result(naive=1.0, tiled=1.0, registers=1.0, share=0.02):
    """Rates in multiples of their bounds."""
    due = x.gpu_product.predict(passport(H100)).data["rates"]
    rates = {
        way: near(times * due[way], "FLOP/s", share) for way, times in (("naive", naive), ("tiled", tiled))
    }
    rates["registers"] = near(registers * due["registers"], "FLOP/s", share)
    return Outcome(rates["registers"], {**rates, "torch": near(50e12, "FLOP/s")})


H100 = "NVIDIA H100 80GB HBM3"
GAIN, NONE = ["tiles-gain", "registers-gain"], ["tiles-no-gain", "registers-no-gain"]
CARDS_RESULTS = [
    (card_result(naive=0.8, registers=0.9), ["as-foreseen", *GAIN]),
    (card_result(registers=0.5), [LESS, "tiles-no-gain", "registers-gain"]),
    (card_result(registers=0.25), [LESS, *NONE]),
    (card_result(registers=1.2), ["bound-beaten", "tiles-no-gain", "registers-gain"]),
    (card_result(registers=0.8, share=0.1), ["cant-tell", "tiles-no-gain", "registers-gain"]),
]


def test_tiles_in_shared_memory_leave_the_bound_and_registers_raise_it():
    rates = x.gpu_product.predict(passport(H100)).data["rates"]
    # Two numbers of 4 bytes per multiply-add, 128 bytes per clock: 16 multiply-adds of the 128 that a clock has.
    assert rates["tiled"] == pytest.approx(64e12 / 8, rel=1e-3) and rates["naive"] == rates["tiled"]
    # Eight numbers for sixteen multiply-adds: 64 of the 128.
    assert rates["registers"] == pytest.approx(64e12 / 2, rel=1e-3)
    # An A100 has 64 lanes behind the same L1.
    assert x.gpu_product.predict(passport("NVIDIA A100-SXM4-80GB")).data["rates"]["tiled"] == pytest.approx(
        64e12 / 4, rel=1e-3
    )


def test_the_published_ladder_stays_under_its_bounds():
    """RTX A6000, 38.7 TFLOP/s by its data sheet: the two rungs with one result per thread, and one with 8 x 8."""
    peaks = {"cuda.flops.float32": Quantity(38.7e12, "FLOP/s")}
    rates = x.gpu_product.predict(passport("NVIDIA RTX A6000", **peaks)).data["rates"]
    assert 1986.5e9 < 2980.3e9 < rates["tiled"] < 8474.7e9


def copy_result(ours=1.0, torch=1.0, share=0.01):
    """Rates in multiples of 3 TB/s."""
    rates = {way: near(times * 3e12, "B/s", share) for way, times in (("ours", ours), ("torch", torch))}
    return Outcome(rates["ours"], {"size": 1 << 30, **rates, "gain": rates["ours"].ratio(rates["torch"])})


COPIES = [
    (H100, copy_result(torch=0.9), ["as-foreseen", "sheet-reached", "torch-slower"]),
    (H100, copy_result(ours=0.5), [LESS, "sheet-missed", "torch-faster"]),
    (H100, copy_result(ours=0.96, torch=0.96), ["as-foreseen", "sheet-cant-tell", "torch-alike"]),
    ("NVIDIA Unheard 1", copy_result(ours=1.5, torch=1.5), [MORE, "sheet-unknown", "torch-alike"]),
    ("NVIDIA Unheard 1", copy_result(ours=1.25, torch=1.25), ["cant-tell", "sheet-unknown", "torch-alike"]),
]


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        (H100, 3350e9),
        ("NVIDIA H100 PCIe", 2000e9),
        ("NVIDIA H200", 4800e9),
        ("NVIDIA GH200 480GB", None),
        ("NVIDIA A100-SXM4-40GB", 1555e9),
        ("NVIDIA GeForce RTX 3090 Ti", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
        ("", None),
    ],
)
def test_a_card_is_found_by_its_drivers_name(name, rate):
    assert sheet_bandwidth(name) == rate


def test_every_card_of_the_list_has_a_sheet():
    assert all(sheet_bandwidth(f"NVIDIA {name}") for name in CARDS)


EXAMPLES = [
    *[(x.product, passport(), result, findings) for result, findings in PRODUCTS],
    *[(x.reread, passport(), reread_result(x.reread, **how), findings) for how, findings in REREADS],
    *[
        (x.gpu_reread, passport(H100), reread_result(x.gpu_reread, **how), findings)
        for how, findings in REREADS
    ],
    *[(x.gpu_product, passport(H100), result, findings) for result, findings in CARDS_RESULTS],
    *[(x.gpu_copy, passport(gpu), result, findings) for gpu, result, findings in COPIES],
]
