"""The sizes that stand for each level, on many computers. A real measurement runs in tests/robustness."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.passport.cpu import fresh_pages, page_fault
from lessons.passport.measuring import _all_threads, working_sets
from lessons.topology import Cache, Node, Topology
from lessons.units import GiB, KiB, MiB


@st.composite
def machines(draw):
    cores = draw(st.integers(1, 256))
    caches, size = [], draw(st.integers(16, 192)) * KiB
    for level in range(1, 1 + draw(st.integers(0, 4))):
        caches.append(Cache(f"l{level}", size, 64, draw(st.sampled_from([1, 2, cores]))))
        size *= draw(st.integers(4, 40))
    memory = draw(st.integers(1, 512)) * GiB
    return Topology("cpu", "x86_64", "Linux", cores, memory, tuple(caches), (Node(0, (0,), memory, (10,)),))


@given(machines())
def test_every_level_has_a_set_that_stays_inside_its_cache(machine):
    sets = working_sets(machine)
    assert list(sets) == [c.level for c in machine.caches] + ["dram"]
    for cache in machine.caches:
        assert 0 < sets[cache.level] <= cache.bytes // 2
    assert all(size % 8192 == 0 for size in sets.values())


@given(machines())
def test_each_set_is_too_large_for_the_caches_before_it(machine):
    sets = working_sets(machine)
    for inner, outer in zip(machine.caches, machine.caches[1:]):
        assert sets[outer.level] >= 2 * inner.bytes // 8192 * 8192


@given(machines())
def test_memory_is_far_beyond_the_last_cache_where_there_is_room(machine):
    last, size = machine.last_level().bytes, working_sets(machine)["dram"]
    assert size <= machine.memory // 8
    if machine.memory >= 32 * last:
        assert size > 4 * last - 8192


def test_a_crowded_last_level_is_touched_with_little():
    machine = Topology(
        "cpu", "x86_64", "Linux", 8, 64 * GiB,
        (Cache("l1", 32 * KiB), Cache("l2", MiB), Cache("l3", 32 * MiB, 64, 8)), (),
    )  # fmt: skip
    assert working_sets(machine) == {"l1": 16 * KiB, "l2": MiB // 2, "l3": 4 * MiB, "dram": 128 * MiB}


def test_a_cell_that_left_one_thread_does_not_cut_the_passport_down():
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        with _all_threads(before):
            assert numba.get_num_threads() == before
        assert numba.get_num_threads() == 1
    finally:
        numba.set_num_threads(before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count page faults for getrusage")
def test_only_the_first_touch_of_a_fresh_page_faults():
    import resource

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        pages[::4096] = 1
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    heap = [np.ones(24 << 20, np.uint8) for _ in range(4)]
    del heap  # what an allocator may keep and hand out again
    for _ in range(3):
        pages = fresh_pages(32 << 20)
        assert faults() >= 16  # huge pages at the fewest
        assert faults() < 16


def test_a_page_fault_costs_more_than_nothing():
    cost = page_fault(fresh_pages)
    assert cost.unit == "s" and cost.n == 9
    assert cost.value > 0
