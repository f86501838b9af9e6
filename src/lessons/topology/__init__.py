"""What this computer is: cores, caches, memory, NUMA nodes, GPUs. Nothing here is measured."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from lessons.topology import caches, nvidia, processor
from lessons.topology.limits import CGROUP, PROCESS, available_cpus, cpu_quota, memory_limit
from lessons.topology.machine import Cache, Node, Topology
from lessons.topology.sets import too_little_memory, working_sets
from lessons.topology.told import answer, parse_cpulist, told

__all__ = [
    "Cache",
    "Node",
    "Topology",
    "available_cpus",
    "cpu_quota",
    "memory_limit",
    "parse_cpulist",
    "read",
    "too_little_memory",
    "working_sets",
]

SYSFS = Path("/sys/devices/system")


def read(sysfs: Path = SYSFS, cgroup: Path = CGROUP, process: Path = PROCESS) -> Topology:
    """Read this computer's topology.

    Args:
        sysfs: where Linux describes CPUs and nodes; another tree in tests.
        cgroup: where the limits of control groups stand.
        process: the file that names the control groups of this process.

    Returns:
        What could be read. Anything a system does not tell (Windows, a sealed container) is left out
        or replaced by a cautious value; nothing is raised.
    """
    cpus = available_cpus()
    memory = memory_limit(cgroup, process)
    limits = [len(cpus), cpu_quota(cgroup, process)]
    if os.environ.get("NUMBA_NUM_THREADS", "").isdecimal():
        limits.append(int(os.environ["NUMBA_NUM_THREADS"]))
    cores = min(limit for limit in limits if limit)
    levels, reached = caches.summary(_caches(sysfs, cpus), cores)
    targets = (os.environ.get(name) for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"))
    return Topology(
        cpu=processor.name(),
        architecture=platform.machine(),
        system=platform.system(),
        cores=cores,
        memory=memory,
        caches=levels,
        nodes=_nodes(sysfs, cpus, memory),
        gpus=nvidia.devices(),
        target=" ".join(filter(None, targets)),
        reached=reached,
    )


def _caches(sysfs: Path, cpus: set[int]) -> caches.Caches:
    if platform.system() == "Darwin":
        return caches.on_apple(answer("sysctl", "hw"))
    return caches.on_linux(sysfs, cpus)


def _nodes(sysfs: Path, cpus: set[int], memory: int) -> tuple[Node, ...]:
    nodes = []
    for folder in sorted((sysfs / "node").glob("node[0-9]*"), key=lambda p: int(p.name[4:])):
        total = re.search(r"MemTotal:\s+(\d+) kB", told(folder / "meminfo"))
        distances = tuple(int(d) for d in told(folder / "distance").split())
        nodes.append(
            Node(
                id=int(folder.name[4:]),
                cpus=parse_cpulist(told(folder / "cpulist")),
                bytes=int(total[1]) * 1024 if total else 0,
                distances=distances,
            )
        )
    return tuple(nodes) or (Node(0, tuple(sorted(cpus)), memory, (10,)),)
