"""Little's law against a simulated queue, and the published example."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.formulas import little

H100 = {"bandwidth": 3.35e12, "processors": 132}


@pytest.mark.parametrize(
    ("latency", "whole", "each", "lines"), [(370e-9, 1.24e6, 9.4e3, 73), (500e-9, 1.7e6, 12.7e3, 99)]
)
def test_an_h100_needs_so_many_bytes_in_flight(latency, whole, each, lines):
    assert little.per_processor(3.35e12, latency) == pytest.approx(whole, rel=0.02)
    assert little.per_processor(latency=latency, **H100) == pytest.approx(each, rel=0.005)
    assert round(little.pieces(latency=latency, **H100)) == lines


def test_few_warps_with_many_loads_each_do_what_many_with_one_cannot():
    def needed(loads, itemsize):
        return little.warps(latency=370e-9, loads=loads, itemsize=itemsize, **H100)

    assert needed(1, 4) > 64  # more than an SM holds
    assert needed(4, 16) == 5  # a twelfth of what it holds
    assert needed(4, 4) == needed(1, 16)


def simulated(walks, latency, interval, loads=20_000):
    """Return loads per second of walks whose loads are served one after the other, ``interval`` apart at least."""
    ready, free = [0.0] * walks, 0.0
    for _ in range(loads):
        who = min(range(walks), key=ready.__getitem__)
        start = max(ready[who], free)
        free = start + interval
        ready[who] = start + latency
    return loads / max(ready)


@pytest.mark.parametrize("walks", [1, 2, 5, 10, 11, 20, 32])
def test_chains_reach_what_a_simulated_memory_gives_them(walks):
    latency, interval = 100e-9, 9e-9
    expected = simulated(walks, latency, interval) * 64
    assert little.throughput(walks, latency, 64 / interval) == pytest.approx(expected, rel=0.02)


@given(st.floats(1e-9, 1e-6), st.floats(1e8, 1e12), st.sampled_from([32, 64, 128]))
def test_at_the_knee_both_asymptotes_meet(latency, ceiling, line):
    knee = little.knee(latency, ceiling, line)
    assert little.throughput(knee, latency, ceiling, line) == pytest.approx(ceiling)
    assert little.throughput(knee / 2, latency, ceiling, line) == pytest.approx(ceiling / 2)
    assert little.throughput(2 * knee, latency, ceiling, line) == ceiling


@given(
    st.floats(1e9, 1e13),
    st.floats(1e-8, 1e-6),
    st.integers(1, 200),
    st.integers(1, 16),
    st.sampled_from([1, 2, 4, 8, 16]),
)
def test_the_warps_are_enough_and_one_less_is_not(bandwidth, latency, processors, loads, itemsize):
    warps = little.warps(bandwidth, latency, processors, loads, itemsize)
    each = 32 * loads * itemsize
    needed = bandwidth * latency / processors
    assert warps * each >= needed * (1 - 1e-12)
    assert (warps - 1) * each < needed


@pytest.mark.parametrize(
    "call",
    [
        lambda: little.per_processor(0, 1e-9),
        lambda: little.per_processor(1e9, 1e-9, 0),
        lambda: little.pieces(1e9, 1e-9, 0),
        lambda: little.knee(-1e-9, 1e9),
        lambda: little.throughput(0, 1e-9, 1e9),
        lambda: little.warps(1e9, 1e-9, loads=0),
        lambda: little.warps(1e9, 1e-9, itemsize=0),
    ],
)
def test_what_cannot_be_is_refused(call):
    with pytest.raises(ValueError, match="must be"):
        call()
