"""Torch's square matrix product: what a large batch can reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lessons.measure import time
from lessons.passport.probe import Probe, Progress
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.topology import Topology

N = 1024


def measure(
    machine: Topology, sizes: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Quantity]]:
    """Yield FLOP/s for float32 and bfloat16, by one thread and by all."""
    import torch

    before = torch.get_num_threads()
    try:
        for dtype in ("float32", "bfloat16"):
            a = torch.ones((N, N), dtype=getattr(torch, dtype))
            for count in sorted({1, machine.cores}):
                progress(f"matrix product: {dtype}, {count} thread{'s' * (count > 1)}")
                torch.set_num_threads(count)
                timing = time(lambda: a @ a, warmup=2, samples=9)
                yield f"cpu.matmul.{dtype}.{count}", timing.rate(2 * N**3, "FLOP/s")
    finally:
        torch.set_num_threads(before)


PROBE = Probe(__name__, "cpu.matmul.", measure)
