"""Every table's entries are whole, in SI units, sourced, and agree with arithmetic on their own cells."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from lessons import datasheets
from lessons.datasheets.lookup import SHAPES
from lessons.datasheets.shapes import MARKS
from lessons.formulas import capacity, memory

ROOT = Path(__file__).parents[2]
KEYS = set(re.findall(r"^@\w+\{([^,\s]+)", (ROOT / "book" / "references.bib").read_text("utf-8"), re.M))
ENTRIES = [(name, entry) for name in SHAPES for entry in datasheets.table(name).values()]
every_entry = pytest.mark.parametrize(
    ("table", "entry"), ENTRIES, ids=[f"{name}.{entry.key}" for name, entry in ENTRIES]
)
accelerators = pytest.mark.parametrize(
    "sku", datasheets.table("accelerators").values(), ids=lambda sku: sku.key
)
# Blackwell Ultra's sparse FP4 rate is not twice its dense one.
NOT_TWICE = {("b300_sxm", "fp4"), ("gb300", "fp4")}


@every_entry
def test_an_entry_says_where_it_comes_from(table, entry):
    assert entry.source, "an entry needs a source"
    for source in entry.source:
        assert source in KEYS or re.fullmatch(r"https?://\S+", source), f"{source} is no key and no address"
    assert re.fullmatch(r"20\d\d(-\d\d(-\d\d)?)?", entry.date)
    assert entry.mark in MARKS
    assert set(entry.weak) <= {field.name for field in fields(entry)}


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


def test_prices_are_dated_and_name_an_accelerator_of_the_table():
    for price in datasheets.table("prices").values():
        assert datasheets.accelerator(price.accelerator)
        assert 0.1 < price.dollars_per_hour < 50
