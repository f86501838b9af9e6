"""Quotas and limits against trees of control groups, as containers, systemd and Slurm make them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.topology import cpu_quota, memory_limit
from lessons.units import GiB

from .trees import tree

NONE = Path("/nonexistent")
V2 = {"self": "0::/user.slice/job_7/step_0"}
V1 = {"self": "5:cpu,cpuacct:/slurm/job_7\n4:memory:/slurm/job_7\n1:name=systemd:/x\n0::/"}


def quota(folder, files):
    tree(folder, files)
    return cpu_quota(folder, folder / "self")


@pytest.mark.parametrize(
    "text, cpus",
    [
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("6400000 100000", 64),
        ("max 100000", None),
        ("", None),
        ("100000", None),
        ("100000 0", None),
        ("-1 100000", None),
        ("nonsense here", None),
    ],
)
def test_a_quota_is_counted_in_whole_cpus(tmp_path, text, cpus):
    assert quota(tmp_path, {"cpu.max": text}) == cpus


@given(st.integers(1000, 10**8), st.integers(1000, 10**6))
def test_a_quota_is_never_less_than_what_is_allowed_nor_a_cpu_more(tmp_path_factory, allowed, period):
    cpus = quota(tmp_path_factory.mktemp("cgroup"), {"cpu.max": f"{allowed} {period}"})
    assert max(1, cpus - 1) * period < max(allowed, period + 1) and cpus * period >= allowed


def test_the_least_on_the_way_up_holds(tmp_path):
    up = {"cpu.max": "max 100000", "user.slice/cpu.max": "300000 100000"}
    own = {"user.slice/job_7/cpu.max": "200000 100000", "user.slice/job_7/step_0/cpu.max": "400000 100000"}
    stranger = {"user.slice/job_8/cpu.max": "100000 100000"}
    assert quota(tmp_path, V2 | up | own | stranger) == 2


def test_version_1_has_a_tree_for_each_controller(tmp_path):
    files = V1 | {
        "cpu,cpuacct/slurm/job_7/cpu.cfs_quota_us": "250000",
        "cpu,cpuacct/slurm/job_7/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "cpu,cpuacct/cpu.cfs_period_us": "100000",
        "x/cpu.cfs_quota_us": "100000",
        "x/cpu.cfs_period_us": "100000",
    }
    assert quota(tmp_path, files) == 3


def test_in_a_container_the_hosts_path_is_not_there_and_the_top_is_its_own(tmp_path):
    files = {
        "self": "3:cpu:/docker/0123abcd",
        "cpu/cpu.cfs_quota_us": "100000",
        "cpu/cpu.cfs_period_us": "100000",
    }
    assert quota(tmp_path, files) == 1
    assert quota(tmp_path / "two", {"self": "0::/../../other", "cpu.max": "200000 100000"}) == 2


@pytest.mark.parametrize("line", ["", "nonsense", "0:", "::", "7:cpu", "\x00"])
def test_a_process_file_that_makes_no_sense_is_no_limit(tmp_path, line):
    assert quota(tmp_path, {"self": line}) is None
    assert cpu_quota(NONE, NONE) is None


def test_no_path_leads_out_of_the_tree(tmp_path):
    files = {"self": "0::/../secret", "cpu.max": "max 100000"}
    tree(tmp_path, {"secret/cpu.max": "100000 100000"})
    assert quota(tmp_path / "cgroup", files) is None


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_containers_memory_counts_and_no_limit_does_not(tmp_path, name):
    unlimited = memory_limit(NONE, NONE)
    assert memory_limit(tree(tmp_path, {name: str(GiB // 4)}), NONE) == GiB // 4
    assert memory_limit(tree(tmp_path, {name: "max"}), NONE) == unlimited
    assert memory_limit(tree(tmp_path, {name: str(2**63 - 4096)}), NONE) == unlimited


@pytest.mark.parametrize(
    "process, nested",
    [(V2, "user.slice/job_7/memory.max"), (V1, "memory/slurm/job_7/memory.limit_in_bytes")],
    ids=["version 2", "version 1"],
)
def test_a_jobs_memory_counts_where_its_group_is_nested(tmp_path, process, nested):
    folder = tree(tmp_path, process | {nested: str(GiB // 4)})
    assert memory_limit(folder, folder / "self") == GiB // 4
    assert memory_limit(folder, NONE) == memory_limit(NONE, NONE)


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="this system has no sysconf")
def test_without_psutil_the_system_is_asked(monkeypatch):
    import sys

    with_it = memory_limit(NONE, NONE)
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert memory_limit(NONE, NONE) == pytest.approx(with_it, rel=0.02)


def test_where_nobody_tells_the_value_is_cautious(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert memory_limit(NONE, NONE) <= 4 * GiB
