import pytest
from machines import MACHINES

from lessons.experiments import gpu_memory as x
from lessons.experiments.base import Outcome
from lessons.experiments.gpu_memory.banks import PATTERNS as TILES
from lessons.experiments.gpu_memory.sectors import PATTERNS as READS
from lessons.formulas import warp
from lessons.kernels import patterns
from lessons.passport import Passport
from lessons.units import Quantity


def near(value, unit, share=0.02):
    return Quantity(value, unit, (1 - share) * value, (1 + share) * value, 5)


# --- counts: sectors and banks ---


def counted(experiment, **changed):
    """A count as predicted, but for the patterns that are ``changed``."""
    prediction = experiment.predict(MACHINES[0])
    what = "sectors" if experiment is x.sectors else "cycles"
    counts = prediction.data[what] | {name.replace("_", " "): n for name, n in changed.items()}
    data = {what: counts, "lines": counts, "whole": counts}
    if experiment is x.banks:
        four = {"tile four column 32": 32, "tile four column 36": 36}
        pitches = {"tile column 32": 32, "tile column 33": 33} | four
        data["maps"] = {name: warp.stride(4 * pitch) for name, pitch in pitches.items()}
        data["maps"] |= {"tile column swizzled": warp.swizzled_column(5)}
        data["maps"] |= {"tile four column swizzled": warp.swizzled_column(0, words=4)}
        data["widths"] = {name: 16 if "four" in name else 4 for name in data["maps"]}
    return Outcome(Quantity(sum(counts.values()), "1"), data)


def gpu(name="NVIDIA H100", rate=51.2e12):
    """A device on which shared memory gives half a byte per FLOP: 25.6 TB/s."""
    peaks = {"cuda.flops.float32": Quantity(rate, "FLOP/s")}
    return Passport(
        {"cores": 1, "caches": [], "nodes": [], "gpus": [name]}, "made up", "2026-01-01", {}, peaks, {}
    )


def walked(free=1.0, worst=1.0, padded=1.0, passport=None):
    """Rates as predicted, times a factor each: at a stride of 1, of 32 and of 33 words."""
    due = x.gpu_banks.predict(passport or gpu()).data["rates"]
    factors = {"1": free, "32": worst, "33": free * padded}
    rates = {stride: near(factors.get(stride, 1.0) * rate, "B/s", 0.01) for stride, rate in due.items()}
    ends = {"stride 1": rates["1"], "stride 32": rates["32"]}
    return Outcome(rates["1"].ratio(rates["32"]), {"rates": rates}, ends=ends)


LESS, MORE = "less-than-foreseen", "more-than-foreseen"
COUNTS = [
    example
    for experiment, name in ((x.sectors, "stride_8"), (x.banks, "tile_column_33"))
    for example in (
        (experiment, MACHINES[0], counted(experiment), ["equal", "patterns-agree"]),
        (experiment, MACHINES[0], counted(experiment, **{name: 9}), ["unequal", "patterns-differ"]),
    )
]
# Two mistakes that cancel in the sum.
CANCELLING = counted(x.sectors, **{"stride_8": 31, "stride_2": 9})
EXAMPLES = [
    *COUNTS,
    (x.sectors, MACHINES[0], CANCELLING, ["equal", "patterns-differ"]),
    (x.gpu_banks, gpu(), walked(), ["as-foreseen", "padding-free"]),
    (x.gpu_banks, gpu(), walked(padded=0.9), ["as-foreseen", "padding-costs"]),
    (x.gpu_banks, gpu(), walked(free=0.5), [LESS, "free-decides", "padding-free"]),
    (x.gpu_banks, gpu(), walked(worst=0.5), [MORE, "conflict-decides", "padding-free"]),
    (x.gpu_banks, gpu(), walked(free=0.3, worst=0.5), [LESS, "both-decide", "padding-free"]),
    (x.gpu_banks, gpu(), walked(free=0.5, worst=0.5), ["errors-cancel", "padding-free"]),
    (x.gpu_banks, gpu(), walked(free=0.8), ["cant-tell", "padding-free"]),
]


@pytest.mark.parametrize("experiment", [x.sectors, x.banks], ids=lambda e: e.id)
def test_the_simulator_counts_what_the_closed_forms_say(experiment):
    """At least twelve patterns, those of 128 bits among them, each on its own."""
    prediction, result = experiment.predict(MACHINES[0]), experiment.run()
    what = "sectors" if experiment is x.sectors else "cycles"
    assert result.data[what] == prediction.data[what] and len(result.data[what]) >= 12
    assert experiment.findings(prediction, result) == ["equal", "patterns-agree"]


def test_the_least_sectors_are_those_of_the_bytes_that_were_asked_for():
    log = patterns.log()
    for p in READS:
        useful = sum(len(set(a.addresses)) * a.width for a in log[p.name].accesses if a.kind == "read")
        assert (p.useful, p.ideal) == (useful, -(-useful // 32)) and p.ideal <= p.sectors


def test_the_least_cycles_are_one_for_each_128_bytes():
    log = patterns.log()
    for p in TILES:
        reads = [a for a in log[p.name].accesses if (a.array, a.kind) == ("shared", "read")]
        assert reads and p.least == sum(-(-32 * a.width // 128) for a in reads) <= p.cycles


def fossil_lines(access):
    return warp.lines(access.addresses, access.width)


def fossil_phases(access):
    """One phase of 32 lanes whatever the width."""
    words = {(a + byte) // 4 for a in access.addresses for byte in range(0, access.width, 4)}
    return max([w % 32 for w in words].count(bank) for bank in range(32))


@pytest.mark.parametrize(
    ("experiment", "what", "fossil", "caught"),
    [
        (x.sectors, "sectors", fossil_lines, "stride 1"),
        (x.banks, "bank_cycles", fossil_phases, "tile four 8 x 4 32"),
    ],
    ids=["lines for sectors", "one phase for 128 bits"],
)
def test_a_planted_mistake_in_the_count_is_found(experiment, what, fossil, caught, monkeypatch):
    counts = {"sectors": "sectors", "bank_cycles": "cycles"}[what]
    monkeypatch.setattr(warp, what, lambda addresses, width: fossil(patterns_access(addresses, width)))
    prediction, result = experiment.predict(MACHINES[0]), experiment.run()
    assert "patterns-differ" in experiment.findings(prediction, result)
    assert prediction.data[counts][caught] != result.data[counts][caught]


def patterns_access(addresses, width):
    from lessons.kernels.tools.access_log import Access

    return Access("x", "read", width, addresses)


def test_the_rate_of_shared_memory_follows_from_the_multiply_adds():
    ends = x.gpu_banks.predict(gpu()).ends
    assert ends["stride 1"].value == pytest.approx(25.6e12)  # 128 B per cycle where 256 FLOP are done
    assert ends["stride 32"].value == pytest.approx(25.6e12 / 32)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("NVIDIA H100 80GB HBM3", 0.5),
        ("NVIDIA RTX A6000", 0.5),
        ("NVIDIA A100-SXM4-80GB", 1.0),
        ("Tesla T4", 1.0),
        ("NVIDIA GeForce RTX 2080 Ti", 1.0),
        ("NVIDIA GeForce RTX 4090", 0.5),
    ],
)
def test_cards_with_64_lanes_per_multiprocessor_give_twice_the_bytes_per_flop(name, share):
    """An A100 gives 108 x 128 B x 1.41 GHz = 19.5 TB/s, and does 19.5 TFLOP/s."""
    rate = x.gpu_banks.predict(gpu(name, 19.5e12)).ends["stride 1"].value
    assert rate == pytest.approx(share * 19.5e12)
