"""Memory's closed forms against simulated caches and queues."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.formulas import memory


class Lru:
    """A cache of ``lines`` lines that evicts the one used longest ago."""

    def __init__(self, lines):
        self.lines = lines
        self.order = {}

    def touch(self, line):
        hit = self.order.pop(line, None) is not None
        self.order[line] = True
        if len(self.order) > self.lines:
            del self.order[next(iter(self.order))]
        return hit


@pytest.mark.parametrize("working_set", [30, 64, 65, 400, 512, 700])
def test_a_repeated_sweep_falls_off_a_cliff_at_each_capacity(working_set):
    caches = [Lru(64), Lru(512)]
    for _ in range(2):
        for line in range(working_set):
            for cache in caches:
                cache.touch(line)
    hits = [all(cache.touch(line) for line in range(working_set)) for cache in caches]
    served_by = hits.index(True) if True in hits else 2
    assert memory.level(working_set, [64, 512]) == served_by


@pytest.mark.parametrize("working_set", [40, 100, 300, 600, 2000])
def test_random_chasing_has_the_mean_latency_of_simulated_caches(working_set):
    rng = random.Random(11)
    caches, latencies = [Lru(64), Lru(512)], [1.0, 4.0, 100.0]
    total, counted = 0.0, 60_000
    for i in range(counted + 5_000):
        line = rng.randrange(working_set)
        hits = [cache.touch(line) for cache in caches]
        if i >= 5_000:
            total += latencies[hits.index(True)] if True in hits else latencies[2]
    expected = memory.chase_latency(working_set, [64, 512], latencies)
    assert expected == pytest.approx(total / counted, rel=0.03)


@given(
    latencies=st.lists(st.floats(1e-9, 1e-6), min_size=3, max_size=3),
    rates=st.lists(st.floats(0, 1), min_size=2, max_size=2),
)
def test_average_access_time_enumerates_where_an_access_ends(latencies, rates):
    first, second = rates
    ends = [first, (1 - first) * second, (1 - first) * (1 - second)]
    expected = sum(p * t for p, t in zip(ends, latencies))
    assert memory.average_access_time(latencies, rates) == pytest.approx(expected)


def test_littles_law_is_what_a_queue_of_requests_shows():
    """Issue a line every 2 ns with 90 ns of latency: 45 lines are under way and keep up the issue rate."""
    interval, latency, line = 2e-9, 90e-9, 64
    starts = [i * interval for i in range(1000)]
    moment = starts[500] + interval / 2
    under_way = sum(start <= moment < start + latency for start in starts)
    assert memory.bytes_in_flight(line / interval, latency) == pytest.approx(under_way * line)
    assert memory.concurrency_bandwidth(under_way, latency, line) == pytest.approx(line / interval)


def test_write_allocate_counts_the_lines_a_write_back_cache_moves():
    """Send loops through a cache that fetches a line before it is written and writes it back later."""
    for reads, writes in [(1, 1), (2, 1), (0, 1), (1, 0)]:
        fetched = written_back = 0
        for array in range(reads + writes):
            for _line in range(100):
                fetched += 1
                written_back += array >= reads
        counted = 100 * (reads + writes)
        assert memory.write_allocate_factor(reads, writes) == (fetched + written_back) / counted


def test_pages_are_touched_whole():
    assert memory.first_touch_time(4097, 1e-7) == pytest.approx(2e-7)
    assert memory.first_touch_time(4096, 1e-7) == pytest.approx(1e-7)


def test_pins_times_rate():
    """JEDEC's HBM3: 1,024 pins at 6.4 Gb/s are 819 GB/s a stack; DDR5-4800 has 38.4 GB/s a channel."""
    assert memory.pin_bandwidth(1024, 6.4e9) == pytest.approx(819e9, rel=1e-3)
    assert memory.pin_bandwidth(64, 4.8e9) == pytest.approx(38.4e9)


def test_independent_accesses_divide_the_latency():
    assert memory.independent_access_time(80e-9, 10) == pytest.approx(memory.independent_access_time(8e-9, 1))


def test_capacities_that_shrink_are_refused():
    with pytest.raises(ValueError, match="must not shrink"):
        memory.level(10, [512, 64])
    with pytest.raises(ValueError, match="one more"):
        memory.chase_latency(10, [64], [1.0])
    with pytest.raises(ValueError, match="last always hits"):
        memory.average_access_time([1.0, 2.0], [0.5, 0.5])
