"""A CUDA device's arithmetic in registers, with ``lessons.kernels.fma``."""

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
    """Yield FLOP/s for float32 and float64."""
    from lessons.kernels.fma import flop, fma

    rounds = 1 << 14
    for dtype in ("float32", "float64"):
        progress(f"CUDA arithmetic: {dtype}")
        timing = time(lambda: fma(dtype, rounds, device="cuda"), warmup=2, samples=15, device="cuda")
        yield f"cuda.flops.{dtype}", timing.rate(flop(dtype, rounds, device="cuda"), "FLOP/s")


PROBE = Probe(__name__, "cuda.flops.", measure, device="cuda")
