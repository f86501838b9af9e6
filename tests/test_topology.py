"""Topology against trees as Linux would show them on other computers."""

import json
import platform

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons import topology
from lessons.units import GiB, KiB, MiB

CPU = min(topology.available_cpus())
NONE = topology.Path("/nonexistent")


def tree(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return folder


def cache(index, level, kind, size, shared):
    at = f"cpu/cpu{CPU}/cache/index{index}"
    return {
        f"{at}/level": str(level),
        f"{at}/type": kind,
        f"{at}/size": size,
        f"{at}/shared_cpu_list": shared,
        f"{at}/coherency_line_size": "64",
    }


def node(number, cpus, kilobytes, distances):
    at = f"node/node{number}"
    return {
        f"{at}/cpulist": cpus,
        f"{at}/meminfo": f"Node {number} MemTotal:       {kilobytes} kB\nNode {number} MemFree: 1 kB",
        f"{at}/distance": distances,
    }


def test_a_server_with_two_sockets(tmp_path):
    files = node(0, "0-3,8-11", 1024, "10 21") | node(1, "4-7,12-15", 2048, "21 10")
    files |= cache(0, 1, "Data", "32K", "0,8") | cache(1, 1, "Instruction", "64K", "0,8")
    files |= cache(2, 2, "Unified", "1024K", "0,8") | cache(3, 3, "Unified", "32M", "0-3,8-11")
    machine = topology.read(tree(tmp_path, files), NONE)
    assert [(c.level, c.bytes, c.cores) for c in machine.caches] == [
        ("l1", 32 * KiB, 2),
        ("l2", 1 * MiB, 2),
        ("l3", 32 * MiB, 8),
    ]
    assert [n.id for n in machine.nodes] == [0, 1]
    assert machine.nodes[0].cpus == (0, 1, 2, 3, 8, 9, 10, 11)
    assert machine.nodes[1].bytes == 2048 * 1024
    assert machine.nodes[1].distances == (21, 10)
    assert machine.cache("l2").bytes == MiB and machine.cache("l4") is None
    assert machine.last_level().level == "l3"


def test_nodes_are_ordered_by_number_and_a_node_may_have_memory_only(tmp_path):
    files = node(10, "", 1, "10") | node(2, "0", 1, "10") | {"node/possible": "0-10"}
    nodes = topology.read(tree(tmp_path, files), NONE).nodes
    assert [n.id for n in nodes] == [2, 10]
    assert nodes[1].cpus == ()


def test_a_system_that_tells_nothing(tmp_path):
    for sysfs in (tmp_path, NONE):
        machine = topology.read(sysfs, NONE)
        assert machine.caches == ()
        assert machine.last_level().bytes == 32 * MiB
        assert len(machine.nodes) == 1 and machine.nodes[0].distances == (10,)
        assert machine.nodes[0].cpus == tuple(sorted(topology.available_cpus()))
        assert machine.nodes[0].bytes == machine.memory > 0


@pytest.mark.parametrize("size", ["", "unknown", "-1", "12Q"])
def test_a_cache_without_a_size_is_left_out(tmp_path, size):
    assert topology.read(tree(tmp_path, cache(0, 1, "Data", size, "0")), NONE).caches == ()


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_containers_limit_counts_and_no_limit_does_not(tmp_path, name):
    unlimited = topology.memory_limit(NONE)
    assert topology.memory_limit(tree(tmp_path, {name: str(GiB)})) == GiB
    assert topology.memory_limit(tree(tmp_path, {name: "max"})) == unlimited
    assert topology.memory_limit(tree(tmp_path, {name: str(2**63 - 4096)})) == unlimited


@given(st.sets(st.integers(0, 300), max_size=60))
def test_a_cpu_list_is_read_back(cpus):
    ranges = []
    for cpu in sorted(cpus):
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    text = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
    assert topology.parse_cpulist(text + "\n") == tuple(sorted(cpus))


def test_this_computer_may_be_published():
    machine = topology.read()
    text = json.dumps(machine.to_json())
    assert machine.cores >= 1 and machine.memory > 0
    assert platform.node() not in text or len(platform.node()) < 4
    assert machine.fingerprint() == topology.read().fingerprint()


def test_the_fingerprint_tells_computers_apart(tmp_path):
    small = topology.read(tree(tmp_path / "a", cache(0, 1, "Data", "32K", "0")), NONE)
    large = topology.read(tree(tmp_path / "b", cache(0, 1, "Data", "48K", "0")), NONE)
    assert small.fingerprint() != large.fingerprint()
