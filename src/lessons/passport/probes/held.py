"""How much of the last cache one thread gets to keep, with ``lessons.kernels.chase``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lessons.measure import time
from lessons.passport.probe import Probe, Progress
from lessons.units import Quantity, format_binary

if TYPE_CHECKING:
    from lessons.topology import Topology

STEPS = 1 << 15


def measure(
    machine: Topology, sizes: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Quantity]]:
    """Yield the bytes of the largest ring that the last cache answers, up to the size that the system reports.

    A shared cache is reported whole, but strangers hold some of it, and a virtual machine is often given a slice.
    A ring is taken as answered while a load takes less than the geometric mean of the cache's latency and memory's.
    Rings grow by the square root of 2, so the interval reaches from the last that is answered to the next.
    """
    if not machine.caches or len(machine.caches) < 2:
        return
    last = machine.caches[-1]
    near, far = (_seconds(sizes[level]) for level in (last.level, "dram"))
    answered, size = sizes[last.level], float(sizes[last.level])
    while size < last.bytes:
        size = min(size * 2**0.5, last.bytes)
        progress(f"last cache: {format_binary(int(size) // 4096 * 4096)}")
        if _seconds(int(size)) > (near * far) ** 0.5:
            yield f"cpu.held.{last.level}", Quantity((answered * size) ** 0.5, "B", answered, size, 1)
            return
        answered = int(size)
    yield f"cpu.held.{last.level}", Quantity(last.bytes, "B", n=1)


def _seconds(size: int) -> float:
    from lessons.kernels.chase import chase, ring, walker

    links = ring(size // 4096 * 4096)
    chase(links, min(len(links) // 8, 1 << 20) // 16 * 16)
    return time(walker(links, STEPS), samples=7).median().value / STEPS


PROBE = Probe(__name__, "cpu.held.", measure)
