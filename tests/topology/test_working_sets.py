"""The sizes that stand for each level, on many computers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.topology import Cache, Node, Topology, too_little_memory, working_sets
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
    size = working_sets(machine)["dram"]
    together = max((cache.bytes * max(1, machine.cores / cache.cores) for cache in machine.caches), default=0)
    assert size <= machine.memory // 8
    assert size >= 4 * together or too_little_memory(machine)


@given(machines())
def test_all_threads_touch_no_more_than_the_caches_hold(machine):
    held = 0
    for cache in machine.caches:
        sharing = min(cache.cores, machine.cores)
        before, held = held, held + cache.bytes // sharing
        assert machine.room(cache.level) <= held and machine.room(cache.level) >= cache.bytes // sharing // 2
        assert before or machine.room(cache.level) == cache.bytes // sharing // 2


def test_a_crowded_last_level_is_touched_with_little():
    machine = Topology(
        "cpu", "x86_64", "Linux", 8, 64 * GiB,
        (Cache("l1", 32 * KiB), Cache("l2", MiB), Cache("l3", 32 * MiB, 64, 8)), (),
    )  # fmt: skip
    assert working_sets(machine) == {"l1": 16 * KiB, "l2": MiB // 2, "l3": 4 * MiB, "dram": 128 * MiB}


PRIVATE = (Cache("l1", 32 * KiB), Cache("l2", MiB))
SIBLINGS = (Cache("l1", 48 * KiB, 64, 2), Cache("l2", 1280 * KiB, 64, 2))


@pytest.mark.parametrize(
    "cores, caches, expected",
    [
        (32, (*PRIVATE, Cache("l3", 32 * MiB, 64, 16)), 2 * 32 * MiB),  # Ryzen 9 5950X
        (128, (*PRIVATE, Cache("l3", 32 * MiB, 64, 16)), 8 * 32 * MiB),  # EPYC 7763
        (4, (*PRIVATE, Cache("l3", 32 * MiB, 64, 16)), 32 * MiB),  # four CPUs of it
        (160, (*SIBLINGS, Cache("l3", 60 * MiB, 64, 80)), 320 * MiB),  # two Xeon 8380
        (
            16,
            (Cache("l2", 4 * MiB), Cache("l3", 32 * MiB, 64, 16)),
            64 * MiB,
        ),  # more in front of it than in it
        (32, (*SIBLINGS, Cache("l3", 32 * MiB, 64, 32)), 64 * MiB),  # WSL2 on a Ryzen 9 5950X
        (8, PRIVATE, 64 * MiB),  # a virtual machine that hides its L3
        (64, PRIVATE, 256 * MiB),
        (8, (), 64 * MiB),
        (8, (*PRIVATE, Cache("l3", 2 * MiB, 64, 8)), 32 * MiB),
    ],
)
def test_memory_is_beyond_the_caches_of_all_cores(cores, caches, expected):
    machine = Topology("cpu", "x86_64", "Linux", cores, 512 * GiB, caches, ())
    assert working_sets(machine)["dram"] == 4 * expected
