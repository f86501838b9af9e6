"""The numbers in the chapter's solutions, computed."""

import math

import pytest
from pages import solution

from lessons.datasheets import memory
from lessons.formulas.memory import concurrency_bandwidth, write_allocate_factor
from lessons.units import format_value

SLUG = "cpu_memory"


def says(label, *values):
    return all(value in solution(SLUG, label) for value in values)


def test_the_copies_of_a_tokenizer():
    copied, channel = 6e9, memory("ddr5_4800").bandwidth
    named = 2 * copied
    moved = named * write_allocate_factor(1, 1)
    assert says("ex-cpu-copy", f"{moved / 1e9:.0f} GB per second", f"{named / 1e9:.0f} GB per second")
    assert says("ex-cpu-copy", f"{100 * moved / channel:.0f} %", f"{100 * named / channel:.0f} %")
    assert says("ex-cpu-copy", format_value(channel, "B/s"))


@pytest.mark.parametrize("latency", [100e-9, 180e-9])
def test_twelve_lines_under_way(latency):
    assert says("ex-cpu-walks", format_value(concurrency_bandwidth(12, latency), "B/s"))


def test_workers_that_keep_a_device_busy():
    step, decoding, items = 30e-3, 50e-3, 8
    workers = math.ceil(decoding / step)
    assert says(
        "ex-cpu-loader", format_value(decoding / items, "s"), f"{workers} workers", f"{workers + 1} cores"
    )


def test_a_wrong_value_is_not_there():
    assert not says("ex-cpu-copy", "62 %") and not says("ex-cpu-walks", "7.86 GB/s")
