"""A CUDA device's bandwidth at each level of its memory, with ``lessons.kernels.stream``."""

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
    """Yield bytes per second of read, copy and triad for the device's cache and its memory."""
    import torch

    from lessons.kernels.stream import TRAFFIC, moved_bytes, stream

    for level, size in working_sets().items():
        for kind in ("read", "copy", "triad"):
            progress(f"CUDA bandwidth: {kind} at {level}")
            arrays = sum(TRAFFIC[kind])
            length = size // arrays // 4096 * 512
            pieces = [torch.ones(length, dtype=torch.float64, device="cuda") for _ in range(arrays)]
            a, b, c = (pieces + pieces[-1:] * 2)[:3]
            repeats = 1 if level == "dram" else 20
            timing = time(lambda: stream(kind, a, b, c, repeats=repeats), warmup=3, samples=15, device="cuda")
            moved = moved_bytes(kind, 8 * length) * repeats
            yield f"cuda.bandwidth.{kind}.{level}", timing.rate(moved, "B/s")


PROBE = Probe(__name__, "cuda.bandwidth.", measure, device="cuda")
