"""Copies between the host's memory and a CUDA device's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lessons.measure import time
from lessons.passport.probe import Probe, Progress
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.topology import Topology


def measure(
    machine: Topology, sizes: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Quantity]]:
    """Yield bytes per second in both directions, from pinned and from pageable memory."""
    import torch

    size = 256 << 20
    device = torch.empty(size, dtype=torch.uint8, device="cuda")
    for pinned in (True, False):
        name = "pinned" if pinned else "pageable"
        host = torch.ones(size, dtype=torch.uint8, pin_memory=pinned)
        for direction, copy in (("h2d", lambda: device.copy_(host)), ("d2h", lambda: host.copy_(device))):
            progress(f"CUDA transfer: {direction}, {name}")
            timing = time(copy, warmup=2, samples=9, device="cuda")
            yield f"cuda.transfer.{direction}.{name}", timing.rate(size, "B/s")


PROBE = Probe(__name__, "cuda.transfer.", measure, device="cuda")
