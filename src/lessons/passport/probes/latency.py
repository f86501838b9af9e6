"""Latency of each level of the memory, with ``lessons.kernels.chase``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lessons.measure import time
from lessons.passport.probe import Probe, Progress
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.topology import Topology

STEPS = 1 << 16


def measure(
    machine: Topology, sizes: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Quantity]]:
    """Yield seconds of a dependent load for each level."""
    from lessons.kernels.chase import chase, ring, walker

    for level, size in sizes.items():
        progress(f"latency: {level}")
        links = ring(size)
        chase(links, min(size // 64, 1 << 22) // 16 * 16)  # bring the ring into the caches that can hold it
        timing = time(walker(links, STEPS), samples=15)
        yield f"cpu.latency.{level}", timing.median().scaled(1 / STEPS)


PROBE = Probe(__name__, "cpu.latency.", measure, by_level=True)
