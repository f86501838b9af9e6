"""A computer as a value: its cores, caches, memory and nodes, and what follows from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cache:
    """One level of cache as one core sees it; where cores differ, as the one with the largest caches does.

    Attributes:
        level: "l1", "l2", ...
        bytes: of one such cache.
        line: bytes of a line.
        cores: logical CPUs that share one, usable or not.
        room: bytes that each thread can touch for them to lie in this level, where all threads run; None where
            nothing was read.
    """

    level: str
    bytes: int
    line: int = 64
    cores: int = 1
    room: int | None = None


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
        reached: bytes of all caches of a level that the threads can fill together, of the level with most; None where
            nothing was read.
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
    reached: int | None = None

    def cache(self, level: str) -> Cache | None:
        """Return the cache called ``level`` ("l1", "l2", "l3"), or None where this computer has none."""
        return next((c for c in self.caches if c.level == level), None)

    def in_caches(self) -> int:
        """Return how many bytes all threads together can hold in one level; 0 where no cache is told.

        Where only one core's caches are known, there are as many of them as the cores need.
        """
        if self.reached is not None:
            return self.reached
        return max((-(-self.cores // cache.cores) * cache.bytes for cache in self.caches), default=0)

    def room(self, level: str) -> int:
        """Return how many bytes each thread can touch for them to lie in ``level``, where all threads run.

        They are more than its part of the cache before, and less than its parts of both. Where a part of the last
        cache is smaller than the cache before, as on many servers, the last one keeps what the other does not (it is
        not inclusive), so that the bound holds there too.

        Raises:
            StopIteration: when there is no such cache.
        """
        place, cache = next((i, c) for i, c in enumerate(self.caches) if c.level == level)
        if cache.room is not None:
            return cache.room
        parts = [c.bytes // min(c.cores, self.cores) for c in self.caches]
        return sum(parts[:place][-1:]) + parts[place] // 2

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def fingerprint(self) -> str:
        """Return a short text that differs between computers: processor, cores, caches, GPUs, Numba's target."""
        caches = ",".join(f"{c.level}={c.bytes}" for c in self.caches)
        target = f"; compiled for {self.target}" if self.target else ""
        return f"{self.cpu}; {self.cores} cores; {caches}; {', '.join(self.gpus) or 'no GPU'}{target}"
