"""A CUDA device's latency at each level of its memory, with ``lessons.kernels.chase``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lessons.measure import time
from lessons.passport.cuda import working_sets
from lessons.passport.probe import Probe, Progress
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.topology import Topology


def measure(
    machine: Topology, sizes: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Quantity]]:
    """Yield seconds of a dependent load for the device's cache and its memory."""
    import torch

    from lessons.kernels.chase import walker
    from lessons.kernels.chase.reference import cycle

    steps = 1 << 12
    for level, size in working_sets().items():
        progress(f"CUDA latency: {level}")
        stride = 128 // 8  # elements in one line of the device's cache
        links = torch.zeros(min(size, 256 << 20) // 8, dtype=torch.int64)
        lines = len(links) // stride
        links[: lines * stride : stride] = torch.from_numpy(cycle(lines)) * stride
        links = links.cuda()
        if level == "dram":  # the copy has left a part of the ring in the cache: put something else there
            torch.empty(size // 8, dtype=torch.int64, device="cuda").zero_()
        else:
            links.sum()
        timing = time(walker(links, steps), warmup=2, samples=15, device="cuda")
        yield f"cuda.latency.{level}", timing.median().scaled(1 / steps)


PROBE = Probe(__name__, "cuda.latency.", measure, device="cuda")
