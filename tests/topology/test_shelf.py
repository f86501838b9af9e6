"""What real machines are taken for: the caches that threads reach there, and how much is touched for each level."""

import pytest

from lessons import topology
from lessons.topology import caches, limits, sets, too_little_memory, working_sets
from lessons.units import KiB, MiB

from .shelf import CONTAINER, EPYC_7763, M1_PRO, RK3588, SHELF, files, members
from .trees import tree


def read(machine, folder):
    """Return the topology as it is read on a machine of the shelf."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NUMBA_NUM_THREADS", raising=False)
        patch.setattr(topology, "available_cpus", lambda: set(machine.cpus))
        patch.setattr(
            topology, "answer", lambda *command: machine.sysctl if command == ("sysctl", "hw") else ""
        )
        patch.setattr(topology.platform, "system", lambda: machine.system)
        patch.setattr(limits, "_installed_memory", lambda: machine.memory)
        return topology.read(
            tree(folder / "system", files(machine)),
            tree(folder / "cgroup", machine.cgroup),
            tree(folder, {"self": machine.process}) / "self",
        )


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """Return the topologies of the whole shelf by the machines' names."""
    return {machine.name: read(machine, tmp_path_factory.mktemp("machine")) for machine in SHELF}


@pytest.fixture(params=SHELF, ids=str)
def shelved(request, every):
    """Return a machine of the shelf with its topology."""
    return request.param, every[request.param.name]


def each(found):
    """Return the bytes of each level's set and thread where all threads run, as the bandwidth probe takes them."""
    return {
        level: min(size, found.room(level)) for level, size in working_sets(found).items() if level != "dram"
    }


def caches_of(machine):
    """Return for each usable CPU its caches as (level, bytes, usable CPUs that share it), nearest first."""
    found = {cpu: [] for cpu in machine.cpus}
    for level, size, lists in sorted(machine.caches, key=lambda cache: cache[0]):
        for text in lists:
            sharing = frozenset(members(text) & set(machine.cpus))
            for cpu in sharing:
                found[cpu].append((f"l{level}", size * KiB, sharing))
    return found


def test_the_shelf_holds_many_kinds():
    assert len(SHELF) >= 15 and len({machine.name for machine in SHELF}) == len(SHELF)


def test_what_is_expected_of_each(shelved):
    machine, found = shelved
    *levels, dram = working_sets(found).items()
    assert found.cores == machine.cores
    assert found.in_caches() == machine.reached * MiB
    assert dram == ("dram", machine.dram * MiB)
    assert dict(levels) == {level: size * KiB for level, size in machine.one.items()}
    assert {level: size // KiB for level, size in each(found).items()} == machine.each
    assert found.memory == (machine.limit or machine.memory)
    assert bool(too_little_memory(found)) == machine.short
    assert [node.cpus for node in found.nodes if machine.nodes] == [
        tuple(sorted(members(n))) for n in machine.nodes
    ]


def test_sets_grow_by_level(shelved):
    _, found = shelved
    for grown in (working_sets(found), each(found)):
        assert list(grown.values()) == sorted(set(grown.values()))


def test_one_threads_set_lies_in_the_largest_cores_level(shelved):
    machine, found = shelved
    own = max(caches_of(machine).values(), key=lambda caches: [size for _, size, _ in caches])
    before = 0
    for level, size, _ in own:
        assert before < working_sets(found)[level] <= size / 2
        before = size


def test_each_threads_set_lies_in_the_level_on_every_core(shelved):
    """It fits into a thread's parts of that cache and of the one before, and not into the one before alone."""
    machine, found = shelved
    for level, size in each(found).items():
        spans = []
        for own in caches_of(machine).values():
            parts = [0, *(size // min(found.cores, len(sharing)) for _, size, sharing in own)]
            spans += [
                (parts[place], parts[place] + parts[place + 1])
                for place, cache in enumerate(own)
                if cache[0] == level
            ]
        before, beyond = max(span[0] for span in spans), min(span[1] for span in spans)
        assert size <= beyond
        assert before < size or (machine is RK3588 and before == beyond)


def test_memorys_set_is_four_times_the_last_caches_or_says_why_not(shelved):
    machine, found = shelved
    last = {own[-1] for own in caches_of(machine).values() if own}
    together = sum(sorted((size for _, size, _ in last), reverse=True)[: found.cores])
    all_levels = {cache for own in caches_of(machine).values() for cache in own}
    everything = sum(
        sum(sorted((size for name, size, _ in all_levels if name == level), reverse=True)[: found.cores])
        for level in ("l1", "l2", "l3")
    )
    dram, sentence = working_sets(found)["dram"], too_little_memory(found)
    assert dram <= found.memory / 8
    if sentence:
        assert dram == found.memory // 8 and "part of it may lie in a cache" in sentence
    else:
        # Even if no cache held what another holds, half of the set would come from memory.
        assert dram >= 4 * together and dram >= 2 * everything
        assert dram >= (128 if machine.one.get("l3") else 256) * MiB


def test_a_limit_that_bites_is_named(every):
    sentence = too_little_memory(every[CONTAINER.name])
    assert "67.1 MB" in sentence and "134 MB" in sentence and "537 MB" in sentence


def test_apples_lines_are_long_and_its_fast_cores_are_described(every):
    assert [(c.level, c.line, c.cores) for c in every[M1_PRO.name].caches] == [("l1", 128, 1), ("l2", 128, 4)]


@pytest.mark.parametrize(
    "name, value",
    [("TIMES", 3), ("PART_OF_MEMORY", 4), ("LEAST", 0), ("PER_CPU", 0), ("HIDDEN", 0), ("HIDDEN_PER_CPU", 0)],
)
def test_the_table_notices_another_rule(every, monkeypatch, name, value):
    monkeypatch.setattr(sets, name, value)
    assert [m.name for m in SHELF if working_sets(every[m.name])["dram"] != m.dram * MiB]


def test_the_table_notices_who_looks_at_one_cache_only(tmp_path, monkeypatch):
    monkeypatch.setattr(caches, "_filled", lambda level, threads: max(cache.bytes for cache in level))
    assert read(EPYC_7763, tmp_path).in_caches() != EPYC_7763.reached * MiB
