"""Every table's entries are whole, in SI units, sourced, and agree with arithmetic on their own cells."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from lessons import datasheets
from lessons.datasheets.lookup import SHAPES
from lessons.datasheets.shapes import MARKS, MATRIX_FORMATS
from lessons.formulas import capacity, memory
from lessons.units import GB, GiB, KiB, MiB

ROOT = Path(__file__).parents[2]
KEYS = set(re.findall(r"^@\w+\{([^,\s]+)", (ROOT / "book" / "references.bib").read_text("utf-8"), re.M))
ENTRIES = [(name, entry) for name in SHAPES for entry in datasheets.table(name).values()]
every_entry = pytest.mark.parametrize(
    ("table", "entry"), ENTRIES, ids=[f"{name}.{entry.key}" for name, entry in ENTRIES]
)
accelerators = pytest.mark.parametrize(
    "sku", datasheets.table("accelerators").values(), ids=lambda sku: sku.key
)
# Whose own text a source is: part of an address, or a key of the bibliography.
MAKERS = (
    "nvidia.com",
    "amd.com",
    "intel.com",
    "cloud.google.com",
    "awsdocs-neuron",
    "aws.amazon.com",
    "jedec.org",
    "github.com/meta-llama/",
    "nvidia2022h100",
    "grattafiori2024llama3",
)
# SMs and the L2 that devices print of themselves: a second transcription, of what was read at the rows' readings.
PRINTED = {
    "a100_sxm_40gb": (108, 40),
    "a100_sxm_80gb": (108, 40),
    "a100_pcie_80gb": (108, 40),
    "a10": (72, 6),
    "l4": (58, 48),
    "l40s": (142, 96),
    "h100_sxm": (132, 50),
    "h100_pcie": (114, 50),
    "h100_nvl": (132, 60),
    "h200_sxm": (132, 60),
    "gh200_96gb": (132, 60),
    "b200_sxm": (148, 126.5),
    "gb200": (152, 129.25),
    "gb300": (152, 129.25),
    "rtx_3090": (82, 6),
    "rtx_4090": (128, 72),
    "rtx_5090": (170, 96),
}
# Blackwell Ultra's sparse FP4 rate is not twice its dense one.
NOT_TWICE = {("b300_sxm", "fp4"), ("gb300", "fp4")}


@every_entry
def test_an_entry_says_where_it_comes_from(table, entry):
    assert entry.source, "an entry needs a source"
    for source in (*entry.source, *getattr(entry, "readings", ())):
        assert source in KEYS or re.fullmatch(r"https?://\S+", source), f"{source} is no key and no address"
    assert re.fullmatch(r"20\d\d(-\d\d(-\d\d)?)?", entry.date)
    assert entry.mark in MARKS
    assert set(entry.weak) <= {field.name for field in fields(entry)}


@every_entry
def test_an_entry_has_the_sources_that_its_mark_promises(table, entry):
    assert len(set(entry.source)) == len(entry.source)
    if entry.mark == "two secondary":
        assert len(entry.source) >= 2, "it promises two sources that agree"
    if entry.mark == "primary":
        assert any(maker in source for source in entry.source for maker in MAKERS), (
            "no source is the maker's own"
        )


def named(field):
    """Return the entries that have a value for ``field``."""
    return [sku for sku in datasheets.table("accelerators").values() if getattr(sku, field) is not None]


def test_core_counts_and_caches_are_those_that_devices_print():
    nvidia = [sku for sku in named("cores") if sku.name.startswith("NVIDIA")]
    assert {sku.key: (sku.cores, sku.l2_bytes / MiB) for sku in nvidia} == PRINTED
    assert all(sku.readings for sku in nvidia)


@pytest.mark.parametrize("field", ["l2_bytes", "l3_bytes", "shared_bytes"])
def test_memory_on_a_chip_is_counted_in_binary_units(field):
    unit = KiB if field == "shared_bytes" else MiB / 4  # the L2 of a GB200 has 129.25 MiB
    for sku in named(field):
        assert getattr(sku, field) % unit == 0, (
            f"{sku.key}: {getattr(sku, field)} is a decimal number of bytes"
        )


def test_an_l2_cache_is_the_one_of_a_die_and_an_l3_is_behind_it():
    for sku in named("l2_bytes"):
        assert (sku.l2_count > 1) == sku.name.startswith("AMD"), (
            "AMD's parts have one L2 for each compute die"
        )
        assert sku.cores is None or sku.cores % sku.l2_count == 0
    for sku in named("l3_bytes"):
        assert sku.l3_bytes > sku.l2_count * sku.l2_bytes


@accelerators
def test_reported_memory_lies_between_the_two_readings_of_the_printed_one(sku):
    """The kind of fault: a maker's GB taken for 10^9 in one row and for 2^30 in another."""
    assert sku.memory_printed % GB == 0 or sku.memory_printed % GiB == 0
    if sku.memory_reported is None:
        assert sku.memory_bytes == sku.memory_printed
    else:
        assert sku.readings, "who read it?"
        assert sku.memory_printed < sku.memory_reported <= sku.memory_printed / GB * GiB
        assert sku.memory_bytes == sku.memory_reported


@accelerators
def test_the_ordinary_cores_run_at_a_clock_that_exists(sku):
    """The kind of fault: a float32 rate of matrix units, or a wrong count of cores."""
    if sku.fp32 is not None:
        assert sku.cores, "a rate of ordinary cores needs the cores"
        lanes = 64 if sku.name.startswith(("NVIDIA A100", "AMD Instinct MI250X")) else 128
        assert 1.3e9 < sku.fp32 / (2 * lanes * sku.cores) < 2.6e9


@accelerators
def test_what_a_part_lacks_has_no_rate(sku):
    assert set(sku.lacks) <= set(MATRIX_FORMATS)
    for name in sku.lacks:
        assert getattr(sku, name) is None and getattr(sku, f"{name}_sparse") is None


def test_the_page_names_every_maker_that_the_table_lists_for_a_format():
    page = (ROOT / "book" / "quantization.ipynb").read_text("utf-8")
    for name, field in (("INT8", "int8"), ("FP8", "fp8"), ("MXFP4", "fp4")):
        row = re.search(rf"\| {name}\b[^|]*\|([^|]*)\|", page)
        makers = {sku.name.split()[0] for sku in named(field)}
        assert len(makers) > 1 and all(maker in row[1] for maker in makers), (name, makers, row[1])


@every_entry
def test_numbers_are_positive_and_of_an_si_size(table, entry):
    bounds = {
        "memory_bytes": (1e10, 1e12),
        "bandwidth": (1e10, 2.3e13),
        "pin_rate": (1e9, 5e10),
        "link_bandwidth": (1e10, 2e12),
        "power": (10, 3000),
    }
    for rate in ("bf16", "fp8", "int8", "fp4", "tf32", "fp32"):
        bounds[rate] = bounds[f"{rate}_sparse"] = (1e13, 1e17)
    for field in fields(entry):
        value = getattr(entry, field.name)
        if isinstance(value, float | int) and not isinstance(value, bool) and field.name in bounds:
            low, high = bounds[field.name]
            assert low <= value <= high, f"{field.name} = {value} is not in SI units"


@accelerators
def test_bandwidth_is_pins_times_rate(sku):
    if sku.pins and sku.pin_rate:
        # Makers round down, by up to 2.4 % (MI325X, MI355X).
        assert memory.pin_bandwidth(sku.pins, sku.pin_rate) == pytest.approx(sku.bandwidth, rel=0.025)


@accelerators
def test_sparse_is_twice_dense(sku):
    for dtype in ("bf16", "fp8", "int8", "fp4"):
        dense, sparse = getattr(sku, dtype), getattr(sku, f"{dtype}_sparse")
        if sparse is None:
            continue
        assert dense is not None, f"{dtype} has a sparse rate and no dense one"
        assert dense <= sparse
        if (sku.key, dtype) not in NOT_TWICE:
            assert sparse == pytest.approx(2 * dense, rel=2e-3)


@accelerators
def test_half_the_bits_never_go_slower(sku):
    rates = [rate for rate in (sku.fp32, sku.tf32, sku.bf16, sku.fp8, sku.fp4) if rate is not None]
    assert rates == sorted(rates)


def test_memories_and_links_multiply_out():
    for kind in datasheets.table("memories").values():
        assert memory.pin_bandwidth(kind.pins, kind.pin_rate) == pytest.approx(kind.bandwidth, rel=1e-3)
    for link in datasheets.table("links").values():
        assert link.lanes * link.lane_rate == pytest.approx(link.bandwidth, rel=1e-3)
        assert link.both_ways == pytest.approx(2 * link.bandwidth)


@pytest.mark.parametrize("model", datasheets.table("models").values(), ids=lambda model: model.key)
def test_parameters_counted_from_the_shape_are_those_published(model):
    if model.family == "gpt":
        counted = capacity.gpt_parameters(model.layers, model.hidden, model.ffn, model.vocab, model.positions)
    else:
        assert model.family == "llama"
        counted = capacity.llama_parameters(
            model.layers,
            model.hidden,
            model.heads,
            model.kv_heads,
            model.head_dim,
            model.ffn,
            model.vocab,
            model.tied,
            model.qkv_bias,
            model.qk_norm,
            model.experts,
        )
    assert counted == model.parameters
    named = re.search(r"-(\d+(?:\.\d+)?)([bm])$", model.key)
    if named:  # the name rounds: "7b" covers 6.7 to 7.6 billion
        size = float(named[1]) * {"b": 1e9, "m": 1e6}[named[2]]
        assert model.parameters == pytest.approx(size, rel=0.13)


def test_heads_form_whole_groups():
    for model in datasheets.table("models").values():
        assert model.heads % model.kv_heads == 0
        assert model.active_experts <= model.experts


def test_a_window_is_shorter_than_the_context_and_noted_nowhere_else():
    for model in datasheets.table("models").values():
        assert model.window is None or 0 < model.window < model.context
        assert model.window or "window" not in model.note


def test_prices_are_dated_and_name_their_accelerator_and_form():
    prices = datasheets.table("prices").values()
    for price in prices:
        assert datasheets.accelerator(price.accelerator)
        assert 0.1 < price.dollars_per_hour < 50
        assert price.name == f"{price.provider}, {price.form}"
        assert price.gpus in (1, 2, 4, 8)
        assert not re.search(r"\w+-(?:east|west|central|north|south)", price.provider + price.instance)
        assert len(price.date) == 10 or "no day" in price.note
    offers = [(price.accelerator, price.provider, price.gpus) for price in prices]
    assert len(set(offers)) == len(offers)
