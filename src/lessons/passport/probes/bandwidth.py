"""Bandwidth of each level of the memory, with ``lessons.kernels.stream``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lessons.measure import time
from lessons.passport.probe import Probe, Progress
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.topology import Topology

SAMPLES = {"cache": 15, "dram": 7}
SAMPLE_SECONDS = 4e-3  # of work inside the compiled code in each sample of a cache


def measure(
    machine: Topology, sizes: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Quantity]]:
    """Yield bytes per second of read, copy and triad for each level, by one thread and by all."""
    from lessons.kernels.stream import TRAFFIC, moved_bytes, stream
    from lessons.kernels.stream.cpu import STEP
    from lessons.kernels.tools.buffers import aligned

    threads = sorted({1, machine.cores})
    plans = [(kind, level, False) for level in sizes for kind in ("read", "copy", "triad")]
    plans += [(kind, "dram", True) for kind in ("copy", "triad") if "dram" in sizes]

    def touched(level: str, count: int) -> int:
        """Return the bytes of all threads: a cache is crowded by what each brings along, memory is shared."""
        if level == "dram" or count == 1:
            return sizes[level]
        return count * min(sizes[level], machine.room(level))

    # One allocation serves all: a fresh one for each plan would spend its time on page faults.
    memory = aligned(max(touched(level, count) for level in sizes for count in threads) // 8)
    for kind, level, nontemporal in plans:
        name = f"{kind}_nt" if nontemporal else kind
        for count in threads:
            progress(f"bandwidth: {name} at {level}, {count} thread{'s' * (count > 1)}")
            arrays = sum(TRAFFIC[kind])
            length = touched(level, count) // arrays // (STEP * count) * (STEP * count) // 8
            pieces = [memory[i * length : (i + 1) * length] for i in range(arrays)]
            a, b, c = (pieces + pieces[-1:] * 2)[:3]
            repeats = 1
            if level != "dram":
                once = time(
                    lambda: stream(kind, a, b, c, nontemporal=nontemporal, threads=count), samples=3
                ).best()
                repeats = max(1, round(SAMPLE_SECONDS / once))
            timing = time(
                lambda: stream(kind, a, b, c, nontemporal=nontemporal, threads=count, repeats=repeats),
                samples=SAMPLES["dram" if level == "dram" else "cache"],
            )
            moved = moved_bytes(kind, 8 * length) * repeats
            yield f"cpu.bandwidth.{name}.{level}.{count}", timing.rate(moved, "B/s")


PROBE = Probe(__name__, "cpu.bandwidth.", measure, by_level=True)
