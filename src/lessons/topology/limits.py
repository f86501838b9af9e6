"""How much of this computer a process may use: masks, control groups and ulimits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lessons.topology.told import told

CGROUP = Path("/sys/fs/cgroup")
PROCESS = Path("/proc/self/cgroup")


def available_cpus() -> set[int]:
    """Return the logical CPUs this process may run on, which an affinity mask may have cut down."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def cpu_quota(cgroup: Path = CGROUP, process: Path = PROCESS) -> int | None:
    """Return how many CPUs' time this process may use, rounded up; None where there is no quota.

    A container that may use 1.5 CPUs of 64 (``docker --cpus=1.5``, a Kubernetes limit) sees all 64, and is stopped
    for the rest of each period once its threads have used up the quota.

    Args:
        cgroup: where control groups are mounted.
        process: the file that names those of this process.
    """
    quotas = []
    for folder in _folders("cpu", cgroup, process):
        quota, _, period = told(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = told(folder / "cpu.cfs_quota_us"), told(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(period):
            quotas.append(max(1, -(-int(quota) // int(period))))
    return min(quotas, default=None)


def memory_limit(cgroup: Path = CGROUP, process: Path = PROCESS) -> int:
    """Return the bytes of memory this process may use: the machine's, a control group's or ulimit's, the least."""
    limits = [_installed_memory()]
    for folder in _folders("memory", cgroup, process):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = told(folder / name)
            if limit.isdecimal():
                limits.append(int(limit))
    try:
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        if soft != resource.RLIM_INFINITY:
            limits.append(soft)
    except ImportError:  # Windows has no resource module
        pass
    return min(limits)


def _installed_memory() -> int:
    try:
        import psutil

        return psutil.virtual_memory().total
    except ImportError:  # recordings are made with NumPy, Numba and torch alone
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4 << 30


def _folders(controller: str, cgroup: Path, process: Path) -> Iterator[Path]:
    """Yield the folders whose limits hold for this process: its own control group and all above it.

    Version 2 has one tree, version 1 one for each controller. Inside a container the path may be the host's, which
    is not to be seen here; the top of the tree is then the container's own.
    """
    yield from (cgroup, cgroup / controller)
    for line in told(process).splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for top in (
            (cgroup / controllers, cgroup / controller) if controllers else (cgroup, cgroup / "unified")
        ):
            yield from (top.joinpath(*parts[:depth]) for depth in range(len(parts) + 1))
