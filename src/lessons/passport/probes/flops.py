"""Arithmetic in registers, with ``lessons.kernels.fma``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lessons.measure import time
from lessons.passport.probe import Probe, Progress
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.topology import Topology

ROUNDS = 1 << 17


def measure(
    machine: Topology, sizes: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Quantity]]:
    """Yield FLOP/s for float32 and float64, and OP/s for bytes, by one thread and by all."""
    from lessons.kernels.fma import CPU_DTYPES, INT8, flop, fma

    for dtype in CPU_DTYPES:
        unit = "OP/s" if dtype == INT8 else "FLOP/s"
        for count in sorted({1, machine.cores}):
            progress(f"arithmetic: {dtype}, {count} thread{'s' * (count > 1)}")
            timing = time(lambda: fma(dtype, ROUNDS, threads=count), samples=15)
            yield f"cpu.flops.{dtype}.{count}", timing.rate(flop(dtype, ROUNDS, threads=count), unit)


PROBE = Probe(__name__, "cpu.flops.", measure)
