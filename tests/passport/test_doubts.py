"""Values that cannot be right are found by comparing them with one another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.passport.doubts import doubts, lines, memory_in_cache
from lessons.units import Quantity


def rate(value, spread=0.02):
    return Quantity(value, "B/s", value * (1 - spread), value * (1 + spread), 15)


def seconds(value, spread=0.02):
    return Quantity(value, "s", value * (1 - spread), value * (1 + spread), 15)


SOUND = {
    "cpu.bandwidth.read.l1.1": rate(200e9),
    "cpu.bandwidth.read.l1.8": rate(1600e9),
    "cpu.bandwidth.read.l2.1": rate(100e9),
    "cpu.bandwidth.read.l2.8": rate(700e9),
    "cpu.bandwidth.read.dram.1": rate(20e9),
    "cpu.bandwidth.read.dram.8": rate(50e9),
    "cpu.bandwidth.copy_nt.dram.1": rate(30e9),
    "cpu.latency.l1": seconds(1e-9),
    "cpu.latency.l2": seconds(4e-9),
    "cpu.latency.dram": seconds(90e-9),
    "cpu.flops.float32.1": rate(1e11),
    "cpu.flops.float32.8": rate(5e10),  # one core, eight logical CPUs and half lost: odd, and possible
    "cpu.cost.page_fault": seconds(3e-7, 0.3),
    "disk.read": rate(1e9),
}


def found(**changes):
    return doubts({**SOUND, **{key.replace("__", "."): value for key, value in changes.items()}})


@given(st.floats(1e-6, 1e6))
def test_a_sound_machine_of_any_speed_leaves_no_doubt(speed):
    scaled = {key: peak.scaled(1 / speed if peak.unit == "s" else speed) for key, peak in SOUND.items()}
    assert doubts(scaled) == {} and memory_in_cache(scaled) == {}


def test_the_rate_that_a_loaded_machine_once_gave_is_doubted():
    (key,) = found(cpu__bandwidth__read__l1__8=rate(4e6)) or [""]
    assert key == "cpu.bandwidth.read.l1.8"
    sentence = found(cpu__bandwidth__read__l1__8=rate(4e6))[key]
    assert "8 threads together reach less than half" in sentence and "4.00 MB/s against 200 GB/s" in sentence


def test_all_threads_are_doubted_from_half_of_one_on():
    assert "cpu.flops.float32.8" in found(cpu__flops__float32__8=rate(4.99e10))
    assert found(cpu__flops__float32__8=rate(5.01e10)) == {}


@pytest.mark.parametrize(
    "near, value",
    [
        ("cpu.bandwidth.read.l1.1", 90e9),
        ("cpu.bandwidth.read.l2.1", 15e9),
        ("cpu.bandwidth.read.l1.8", 600e9),
    ],
)
def test_a_near_level_slower_than_a_far_one_is_doubted(near, value):
    assert f"{near.split('.')[3]} is slower than" in doubts({**SOUND, near: rate(value)})[near]


def test_a_latency_is_slow_when_it_is_long():
    assert "l2 is slower than dram" in found(cpu__latency__l2=seconds(1e-7))["cpu.latency.l2"]


def test_intervals_that_touch_leave_no_doubt():
    assert found(cpu__latency__l1=seconds(4.1e-9)) == {}
    assert "cpu.latency.l1" in found(cpu__latency__l1=seconds(4.2e-9))


def test_an_interval_wider_than_a_factor_of_two_is_doubted():
    assert found(disk__read=Quantity(1e9, "B/s", 0.7e9, 1.39e9, 5)) == {}
    assert "its interval is wide" in found(disk__read=Quantity(1e9, "B/s", 0.7e9, 1.41e9, 5))["disk.read"]
    assert "disk.read" in found(disk__read=Quantity(1.0, "B/s", 0.0, 1.0, 5))


def test_of_several_doubts_the_worst_is_said():
    both = found(cpu__bandwidth__read__l1__8=Quantity(4e6, "B/s", 1e6, 9e6, 15))
    assert "8 threads together" in both["cpu.bandwidth.read.l1.8"]


def test_memory_as_fast_as_the_last_cache_is_noticed():
    read, latency = "cpu.bandwidth.read.dram.8", "cpu.latency.dram"
    assert list(memory_in_cache({**SOUND, read: rate(680e9)})) == [read]
    assert list(memory_in_cache({**SOUND, latency: seconds(4.1e-9)})) == [latency]
    assert "slower than l2" in memory_in_cache({**SOUND, latency: seconds(3e-9)})[latency]
    assert memory_in_cache({key: peak for key, peak in SOUND.items() if ".l" not in key}) == {}


def test_a_sentence_of_many_keys_is_said_once():
    assert lines({"a": "slow", "b": "wide", "c": "slow", "d": "slow"}) == [
        "a and 2 more are doubtful: slow",
        "b is doubtful: wide",
    ]
    assert lines({}) == []
