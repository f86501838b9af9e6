"""How much a measurement has to touch for its bytes to lie in one level, or in memory."""

from __future__ import annotations

from lessons.topology.machine import Topology
from lessons.units import MiB, format_bytes

GRAIN = 8192  # sets are a multiple of it

# STREAM's rule: four times all the last caches that take part; here of the caches before them where those hold more.
TIMES = 4
# What a machine may have where it tells of a shared L3. A virtual machine may see one of several as the L3 of all its
# CPUs, as WSL2 does; processors of two threads a core have about 2 MiB for each thread.
LEAST, PER_CPU = 32 * MiB, 2 * MiB
# Where no shared L3 is told there mostly is one: a virtual machine hides it, Ampere's and Apple's system caches
# are told by nobody, nor is any on Windows. Those of small machines go up to 64 MiB, and servers without stacked
# caches have up to 4 MiB for each core.
HIDDEN, HIDDEN_PER_CPU = 64 * MiB, 4 * MiB
# So much of what this process may use is left to all else.
PART_OF_MEMORY = 8


def working_sets(machine: Topology) -> dict[str, int]:
    """Return the bytes that stand for each level: well inside each cache, and well beyond all the last ones.

    Those of caches are for one thread alone; where all run, ``Topology.room`` bounds them. A shared cache is touched
    with a few times the cache before it, since strangers may hold most of it. Memory wants four times what the
    caches of all threads hold (STREAM's rule), told or likely, but never more than an eighth of what this process
    may use. ``too_little_memory`` says where that is less.

    Returns:
        Bytes by level, nearest first: "l1", "l2", ..., "dram".
    """
    sets: dict[str, int] = {}
    for inner, cache in zip((None, *machine.caches), machine.caches):
        half = cache.bytes // 2
        sets[cache.level] = half if cache.cores == 1 or inner is None else min(TIMES * inner.bytes, half)
    sets["dram"] = min(_beyond_caches(machine), machine.memory // PART_OF_MEMORY)
    return {level: size // GRAIN * GRAIN for level, size in sets.items()}


def too_little_memory(machine: Topology) -> str:
    """Return a sentence where memory's working set is smaller than it should be, or an empty text."""
    given, wanted = working_sets(machine)["dram"], _beyond_caches(machine)
    if given == wanted:
        return ""
    return (
        f"its working set of {format_bytes(given)} is not the {format_bytes(wanted)} that lie beyond all caches, "
        f"because this process may use {format_bytes(machine.memory)} in all; part of it may lie in a cache"
    )


def _beyond_caches(machine: Topology) -> int:
    shared_l3 = any(cache.level not in ("l1", "l2") and cache.cores > 1 for cache in machine.caches[-1:])
    least, per_cpu = (LEAST, PER_CPU) if shared_l3 else (HIDDEN, HIDDEN_PER_CPU)
    held = max(machine.in_caches(), least, per_cpu * machine.cores)
    return -(-TIMES * held // GRAIN) * GRAIN
