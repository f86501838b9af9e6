"""What this computer is: cores, caches, memory, NUMA nodes, GPUs. Nothing here is measured."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lessons.topology import nvidia, processor
from lessons.topology.limits import CGROUP, PROCESS, available_cpus, cpu_quota, memory_limit
from lessons.topology.told import told

__all__ = [
    "Cache",
    "Node",
    "Topology",
    "available_cpus",
    "cpu_quota",
    "memory_limit",
    "parse_cpulist",
    "read",
    "working_sets",
]

SYSFS = Path("/sys/devices/system")


@dataclass(frozen=True)
class Cache:
    """One level of cache as one core sees it: ``bytes`` in all, shared by ``cores`` logical CPUs."""

    level: str
    bytes: int
    line: int = 64
    cores: int = 1


@dataclass(frozen=True)
class Node:
    """One NUMA node: its logical CPUs, its memory in bytes, and its distances to all nodes (10 = itself)."""

    id: int
    cpus: tuple[int, ...]
    bytes: int
    distances: tuple[int, ...]


@dataclass(frozen=True)
class Topology:
    """A computer, without host or user name, so that a recording may be published.

    Attributes:
        cpu: the processor's own name.
        cores: logical CPUs that this process may use: an affinity mask, a quota of CPU time (rounded up) and
            ``$NUMBA_NUM_THREADS`` cut them down.
        caches: data caches, smallest first ("l1", "l2", "l3").
        memory: bytes of main memory this process may use (a container's limit included).
        nodes: NUMA nodes; one, where the system tells of none.
        gpus: names of the CUDA devices that torch can use.
        target: the processor and features that ``$NUMBA_CPU_NAME`` and ``$NUMBA_CPU_FEATURES`` make Numba compile
            for; empty where it compiles for this one.
    """

    cpu: str
    architecture: str
    system: str
    cores: int
    memory: int
    caches: tuple[Cache, ...]
    nodes: tuple[Node, ...]
    gpus: tuple[str, ...] = field(default=())
    target: str = ""

    def cache(self, level: str) -> Cache | None:
        """Return the cache called ``level`` ("l1", "l2", "l3"), or None where this computer has none."""
        return next((c for c in self.caches if c.level == level), None)

    def last_level(self) -> Cache:
        """Return the largest cache; where the system tells of none, a cautious 32 MiB one that all share."""
        return self.caches[-1] if self.caches else Cache("l3", 32 << 20, 64, self.cores)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def fingerprint(self) -> str:
        """Return a short text that differs between computers: processor, cores, caches, GPUs, Numba's target."""
        caches = ",".join(f"{c.level}={c.bytes}" for c in self.caches)
        target = f"; compiled for {self.target}" if self.target else ""
        return f"{self.cpu}; {self.cores} cores; {caches}; {', '.join(self.gpus) or 'no GPU'}{target}"


def read(sysfs: Path = SYSFS, cgroup: Path = CGROUP, process: Path = PROCESS) -> Topology:
    """Read this computer's topology.

    Args:
        sysfs: where Linux describes CPUs and nodes; another tree in tests.
        cgroup: where the limits of control groups stand.
        process: the file that names the control groups of this process.

    Returns:
        What could be read. Anything a system does not tell (macOS, Windows, a sealed container) is left out
        or replaced by a cautious value; nothing is raised.
    """
    cpus = available_cpus()
    memory = memory_limit(cgroup, process)
    limits = [len(cpus), cpu_quota(cgroup, process)]
    if os.environ.get("NUMBA_NUM_THREADS", "").isdecimal():
        limits.append(int(os.environ["NUMBA_NUM_THREADS"]))
    targets = (os.environ.get(name) for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"))
    return Topology(
        cpu=processor.name(),
        architecture=platform.machine(),
        system=platform.system(),
        cores=min(limit for limit in limits if limit),
        memory=memory,
        caches=_caches(sysfs, min(cpus)) if sysfs.exists() else (),
        nodes=_nodes(sysfs, cpus, memory),
        gpus=nvidia.devices(),
        target=" ".join(filter(None, targets)),
    )


def working_sets(machine: Topology) -> dict[str, int]:
    """Return the bytes that stand for each level: well inside each cache, and well beyond all the last ones.

    A shared last-level cache is touched with a few times the cache before it, since strangers may hold most
    of it. Memory wants four times the last-level caches of all cores together (STREAM's rule), or of 32 MiB where
    they are smaller, since a virtual machine may hide one; but never more than an eighth of what this process may
    use. On a small machine with a large cache, part of what is called memory is then cache.

    Returns:
        Bytes by level, nearest first: "l1", "l2", ..., "dram".
    """
    sets: dict[str, int] = {}
    for inner, cache in zip((None, *machine.caches), machine.caches):
        sets[cache.level] = (
            cache.bytes // 2 if cache.cores == 1 or inner is None else min(4 * inner.bytes, cache.bytes // 2)
        )
    last = machine.last_level()
    together = max(-(-machine.cores // last.cores) * last.bytes, 32 << 20)
    sets["dram"] = min(4 * together, machine.memory // 8)
    return {level: size // 8192 * 8192 for level, size in sets.items()}


def parse_cpulist(text: str) -> tuple[int, ...]:
    """Parse the kernel's list format: ``"0-2,8"`` is ``(0, 1, 2, 8)``; an empty text is ``()``."""
    cpus: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if not match:
        return 0
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


def _caches(sysfs: Path, cpu: int) -> tuple[Cache, ...]:
    found = []
    for index in sorted((sysfs / f"cpu/cpu{cpu}/cache").glob("index*")):
        if told(index / "type") == "Instruction":
            continue
        size = _size(told(index / "size"))
        sharing = parse_cpulist(told(index / "shared_cpu_list"))
        line = told(index / "coherency_line_size")
        if size:
            level = f"l{told(index / 'level')}"
            found.append(Cache(level, size, int(line) if line.isdigit() else 64, max(1, len(sharing))))
    return tuple(sorted(found, key=lambda c: c.bytes))


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
