"""The caches of all cores that a process may use, as Linux and macOS tell them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from lessons.topology.machine import Cache
from lessons.topology.told import parse_cpulist, told

APPLE_CORES = ("0", "1")  # hw.perflevel0 are the fast cores, hw.perflevel1 the frugal ones


@dataclass(frozen=True)
class Seen:
    """One cache and the logical CPUs that share it."""

    level: str
    bytes: int
    line: int
    cpus: frozenset[int]


Caches = Mapping[int, tuple[Seen, ...]]  # by logical CPU, smallest first


def on_linux(sysfs: Path, cpus: Collection[int]) -> Caches:
    """Return the data caches that each of ``cpus`` sees, where Linux describes them."""
    found = {cpu: tuple(sorted(_of(sysfs, cpu), key=lambda c: c.bytes)) for cpu in sorted(cpus)}
    return {cpu: caches for cpu, caches in found.items() if caches}


def on_apple(sysctl: str) -> Caches:
    """Return the data caches of Apple's processors from what ``sysctl hw`` prints.

    macOS does not number cores by kind; here the fast ones come first. What it tells without a kind is the frugal
    cores' caches. Of the last one, which the whole chip shares, it tells nothing.
    """
    numbers = {key: int(value) for key, value in re.findall(r"^hw\.([\w.]+): (\d+)$", sysctl, re.MULTILINE)}
    line, found, first = numbers.get("cachelinesize", 128), {}, 0
    for kind in APPLE_CORES:
        count, l1, l2, together = (
            numbers.get(f"perflevel{kind}.{name}", 0)
            for name in ("logicalcpu", "l1dcachesize", "l2cachesize", "cpusperl2")
        )
        if not all((count, l1, l2, together)):
            continue
        for cpu in range(first, first + count):
            begin = cpu - (cpu - first) % together
            cluster = frozenset(range(begin, min(begin + together, first + count)))
            found[cpu] = (Seen("l1", l1, line, frozenset((cpu,))), Seen("l2", l2, line, cluster))
        first += count
    return found


def summary(caches: Caches, threads: int) -> tuple[tuple[Cache, ...], int | None]:
    """Return the caches as one core sees them, and the bytes that ``threads`` can fill of the level with most.

    Where cores differ, it is the core with the largest caches, nearest first: there a single busy thread is put.

    Returns:
        No caches and None where nothing was told.
    """
    if not caches:
        return (), None
    largest = max(caches.values(), key=lambda own: [c.bytes for c in own])
    # On servers the caches before the last ones may hold more than those; some cores have fewer levels than others.
    levels = [{own[-1] for own in caches.values()}]
    levels += [{c for own in caches.values() for c in own if c.level == one.level} for one in largest]
    return tuple(
        Cache(c.level, c.bytes, c.line, len(c.cpus), _room(c.level, caches, threads)) for c in largest
    ), max(_filled(level, threads) for level in levels)


def _filled(level: Collection[Seen], threads: int) -> int:
    """Return the bytes of a level's caches; a thread fills one at a time, so of as many as there are threads."""
    return sum(sorted((c.bytes for c in level), reverse=True)[:threads])


def _room(level: str, caches: Caches, threads: int) -> int:
    """Return the middle between what lies before ``level`` on some core and what goes beyond it on some core."""
    before, beyond = [], []
    for own in caches.values():
        parts = [c.bytes // min(threads, len(c.cpus & caches.keys())) for c in own]
        for place, cache in enumerate(own):
            if cache.level == level:
                before.append(sum(parts[max(0, place - 1) : place]))
                beyond.append(before[-1] + parts[place])
    return (max(before) + min(beyond)) // 2


def _of(sysfs: Path, cpu: int) -> list[Seen]:
    found = []
    for index in (sysfs / f"cpu/cpu{cpu}/cache").glob("index*"):
        if told(index / "type") == "Instruction":
            continue
        size, line = _size(told(index / "size")), told(index / "coherency_line_size")
        sharing = frozenset((cpu, *parse_cpulist(told(index / "shared_cpu_list"))))
        if size:
            level = f"l{told(index / 'level')}"
            found.append(Seen(level, size, int(line) if line.isdigit() else 64, sharing))
    return found


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]] if match else 0
