"""Topology against trees as Linux would show them on other computers."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons import topology
from lessons.units import KiB, MiB

from .trees import tree

CPU = min(topology.available_cpus())
NONE = Path("/nonexistent")
SOURCE = str(Path(topology.__file__).parents[2])


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
    assert machine.in_caches() == 32 * MiB


def test_nodes_are_ordered_by_number_and_a_node_may_have_memory_only(tmp_path):
    files = node(10, "", 1, "10") | node(2, "0", 1, "10") | {"node/possible": "0-10"}
    nodes = topology.read(tree(tmp_path, files), NONE).nodes
    assert [n.id for n in nodes] == [2, 10]
    assert nodes[1].cpus == ()


def test_a_system_that_tells_nothing(tmp_path):
    for sysfs in (tmp_path, NONE):
        machine = topology.read(sysfs, NONE)
        assert machine.caches == ()
        assert machine.in_caches() == 0
        assert len(machine.nodes) == 1 and machine.nodes[0].distances == (10,)
        assert machine.nodes[0].cpus == tuple(sorted(topology.available_cpus()))
        assert machine.nodes[0].bytes == machine.memory > 0


@pytest.mark.parametrize("size", ["", "unknown", "-1", "12Q"])
def test_a_cache_without_a_size_is_left_out(tmp_path, size):
    assert topology.read(tree(tmp_path, cache(0, 1, "Data", size, "0")), NONE).caches == ()


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


def test_the_fingerprint_names_what_numba_compiles_for(monkeypatch):
    fingerprints = set()
    for target, features in ((None, None), ("haswell", None), ("generic", None), ("generic", "+avx2")):
        for name, value in (("NUMBA_CPU_NAME", target), ("NUMBA_CPU_FEATURES", features)):
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        fingerprints.add(topology.read().fingerprint())
    assert len(fingerprints) == 4
    assert sum("generic +avx2" in text for text in fingerprints) == 1


@pytest.mark.parametrize("limit, cores", [("1", 1), ("0", None), ("100000", None), ("", None), ("two", None)])
def test_numbas_thread_limit_cuts_the_cores_down_and_never_up(monkeypatch, limit, cores):
    monkeypatch.setenv("NUMBA_NUM_THREADS", limit)
    assert topology.read(NONE, NONE).cores == (cores or len(topology.available_cpus()))


def test_a_quota_is_part_of_the_topology(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    monkeypatch.setattr(topology, "available_cpus", lambda: set(range(64)))
    machine = topology.read(NONE, tree(tmp_path, {"cpu.max": "150000 100000"}), NONE)
    assert machine.cores == 2 and "; 2 cores;" in machine.fingerprint()
    assert topology.read(NONE, tree(tmp_path, {"cpu.max": "9900000 100000"}), NONE).cores == 64
    assert len(machine.nodes[0].cpus) == 64


def test_what_recordings_need_is_enough():
    """The documented environment of ``lessons record`` holds NumPy, Numba and torch, and no psutil or NVML."""
    code = """
import sys
for name in ("psutil", "pynvml"):
    sys.modules[name] = None
from lessons import topology
here = topology.read()
assert here.memory > 64 << 20 and here.cpu, here
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    subprocess.run(
        [sys.executable, "-S", "-E", "-c", f"import sys; sys.path[:0] = [{SOURCE!r}]\n{code}"], check=True
    )
