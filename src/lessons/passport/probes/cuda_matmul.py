"""Torch's square matrix product on a CUDA device."""

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
    """Yield FLOP/s for float32, float16 and bfloat16."""
    import torch

    n = 8192
    for dtype in ("float32", "float16", "bfloat16"):
        progress(f"CUDA matrix product: {dtype}")
        a = torch.randn((n, n), dtype=getattr(torch, dtype), device="cuda")
        timing = time(lambda: a @ a, warmup=10, samples=15, device="cuda")
        yield f"cuda.matmul.{dtype}", timing.rate(2 * n**3, "FLOP/s")


PROBE = Probe(__name__, "cuda.matmul.", measure, device="cuda")
