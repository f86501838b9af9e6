"""Random lines that one thread loads from memory where no load waits for another, with ``lessons.kernels.gather``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING

from lessons.measure import time
from lessons.passport.probe import Probe, Progress
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.topology import Topology

LOADS = 1 << 15  # few, so that a sample is over before another process gets the core


def measure(
    machine: Topology, sizes: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Quantity]]:
    """Yield bytes per second, a whole line counted for each load."""
    from lessons.kernels.gather import LINE, gather
    from lessons.kernels.tools.buffers import aligned

    progress("random lines from memory")
    values, seeds = aligned(sizes["dram"] // LINE * LINE // 8, "int64", 0), count()
    timing = time(lambda: gather(values, LOADS, seed=next(seeds)), warmup=3, samples=15)
    yield "cpu.gather.dram", timing.rate(LOADS * LINE, "B/s")


PROBE = Probe(__name__, "cpu.gather.", measure)
