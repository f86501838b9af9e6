"""What this computer is: cores, caches, memory, NUMA nodes, GPUs. Nothing here is measured."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SYSFS = Path("/sys/devices/system")
CGROUP = Path("/sys/fs/cgroup")


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
        cores: logical CPUs that this process may use: an affinity mask and ``$NUMBA_NUM_THREADS`` cut them down.
        caches: data caches, smallest first ("l1", "l2", "l3").
        memory: bytes of main memory this process may use (a container's limit included).
        nodes: NUMA nodes; one, where the system tells of none.
        gpus: names of CUDA devices.
    """

    cpu: str
    architecture: str
    system: str
    cores: int
    memory: int
    caches: tuple[Cache, ...]
    nodes: tuple[Node, ...]
    gpus: tuple[str, ...] = field(default=())

    def cache(self, level: str) -> Cache | None:
        """Return the cache called ``level`` ("l1", "l2", "l3"), or None where this computer has none."""
        return next((c for c in self.caches if c.level == level), None)

    def last_level(self) -> Cache:
        """Return the largest cache; where the system tells of none, a cautious 32 MiB one."""
        return self.caches[-1] if self.caches else Cache("l3", 32 << 20)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def fingerprint(self) -> str:
        """Return a short text that differs between computers: processor, cores, caches, GPUs."""
        caches = ",".join(f"{c.level}={c.bytes}" for c in self.caches)
        return f"{self.cpu}; {self.cores} cores; {caches}; {', '.join(self.gpus) or 'no GPU'}"


def read(sysfs: Path = SYSFS, cgroup: Path = CGROUP) -> Topology:
    """Read this computer's topology.

    Args:
        sysfs: where Linux describes CPUs and nodes; another tree in tests.
        cgroup: where a container's memory limit stands.

    Returns:
        What could be read. Anything a system does not tell (macOS, Windows, a sealed container) is left out
        or replaced by a cautious value; nothing is raised.
    """
    cpus = available_cpus()
    limit = os.environ.get("NUMBA_NUM_THREADS", "")
    return Topology(
        cpu=_cpu_name(),
        architecture=platform.machine(),
        system=platform.system(),
        cores=min(len(cpus), int(limit)) if limit.isdecimal() and int(limit) else len(cpus),
        memory=memory_limit(cgroup),
        caches=_caches(sysfs, min(cpus)) if sysfs.exists() else (),
        nodes=_nodes(sysfs, cpus, memory_limit(cgroup)),
        gpus=_gpus(),
    )


def available_cpus() -> set[int]:
    """Return the logical CPUs this process may run on, which an affinity mask may have cut down."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def memory_limit(cgroup: Path = CGROUP) -> int:
    """Return the bytes of memory this process may use: the machine's, a container's or ulimit's, the least."""
    import psutil

    limits = [psutil.virtual_memory().total]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _text(cgroup / name)
        if text.isdigit():
            limits.append(int(text))
    try:
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        if soft != resource.RLIM_INFINITY:
            limits.append(soft)
    except ImportError:  # Windows has no resource module
        pass
    return min(limits)


def parse_cpulist(text: str) -> tuple[int, ...]:
    """Parse the kernel's list format: ``"0-2,8"`` is ``(0, 1, 2, 8)``; an empty text is ``()``."""
    cpus: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if not match:
        return 0
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


def _caches(sysfs: Path, cpu: int) -> tuple[Cache, ...]:
    found = []
    for index in sorted((sysfs / f"cpu/cpu{cpu}/cache").glob("index*")):
        if _text(index / "type") == "Instruction":
            continue
        size = _size(_text(index / "size"))
        sharing = parse_cpulist(_text(index / "shared_cpu_list"))
        line = _text(index / "coherency_line_size")
        if size:
            level = f"l{_text(index / 'level')}"
            found.append(Cache(level, size, int(line) if line.isdigit() else 64, max(1, len(sharing))))
    return tuple(sorted(found, key=lambda c: c.bytes))


def _nodes(sysfs: Path, cpus: set[int], memory: int) -> tuple[Node, ...]:
    nodes = []
    for folder in sorted((sysfs / "node").glob("node[0-9]*"), key=lambda p: int(p.name[4:])):
        total = re.search(r"MemTotal:\s+(\d+) kB", _text(folder / "meminfo"))
        distances = tuple(int(d) for d in _text(folder / "distance").split())
        nodes.append(
            Node(
                id=int(folder.name[4:]),
                cpus=parse_cpulist(_text(folder / "cpulist")),
                bytes=int(total[1]) * 1024 if total else 0,
                distances=distances,
            )
        )
    return tuple(nodes) or (Node(0, tuple(sorted(cpus)), memory, (10,)),)


def _cpu_name() -> str:
    match = re.search(r"model name\s*:\s*(.+)", _text(Path("/proc/cpuinfo")))
    return match[1].strip() if match else (platform.processor() or platform.machine())


def _gpus() -> tuple[str, ...]:
    # torch takes a second to import: ask it only where a driver is present.
    if not (Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidiactl").exists()):
        return ()
    try:
        import torch

        return tuple(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    except (ImportError, RuntimeError):
        return ()
