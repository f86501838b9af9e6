"""What it costs to start a kernel on a CUDA device."""

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
    """Yield seconds from one launch of a tiny kernel to the next."""
    import torch

    progress("CUDA: launch")
    tiny = torch.zeros(1, device="cuda")
    yield "cuda.cost.launch", time(lambda: tiny.add_(1), warmup=50, samples=101, device="cuda").median()


PROBE = Probe(__name__, "cuda.cost.", measure, device="cuda")
