"""The passport itself: named quantities with their spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lessons.errors import LessonError
from lessons.units import Quantity


class PassportError(LessonError):
    """A passport that is missing, damaged, from another machine, or without the value asked for."""


@dataclass(frozen=True)
class Passport:
    """What one computer was measured to do.

    Made by hand it holds the peaks that it is given. One that ``load`` or ``measure`` returns belongs to this
    machine: a peak that is missing or stale is measured when it is asked for.

    Attributes:
        machine: its topology as JSON (``lessons.topology``).
        fingerprint: the topology's short text; a passport with another one is refused.
        date: the day of the measurement, ISO; the first and the last, where there were several.
        versions: of Python, NumPy, Numba and torch.
        peaks: quantities by key, such as "cpu.bandwidth.read.dram.1".
        sizes: working set in bytes behind each level, such as "cpu.dram".
        doubts: sentences by key: what cannot be right, however often it was measured.
    """

    machine: dict[str, Any]
    fingerprint: str
    date: str
    versions: dict[str, str]
    peaks: Mapping[str, Quantity]
    sizes: dict[str, int] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)

    @property
    def threads(self) -> int:
        """Logical CPUs: what "all threads" means here."""
        return self.machine["cores"]

    @property
    def levels(self) -> list[str]:
        """The CPU's levels with a measured bandwidth, nearest first: ["l1", "l2", "l3", "dram"]."""
        names = [f"l{i}" for i in range(1, 5)] + ["dram"]
        return [name for name in names if f"cpu.bandwidth.read.{name}.1" in self.peaks]

    def cache_bytes(self, level: str) -> int | None:
        """Return the size of a cache in bytes, or None where the system tells of no such cache."""
        return next((c["bytes"] for c in self.machine["caches"] if c["level"] == level), None)

    def peak(self, key: str) -> Quantity:
        """Return one quantity, which carries ``key`` as its source.

        Raises:
            PassportError: when this machine has no such value, or when it was not measured.
        """
        try:
            return self.peaks[key].of(key)
        except KeyError:
            pass
        if key.startswith("cuda.") and not self.machine.get("gpus"):
            raise PassportError(f"this machine has no CUDA device that torch can use, so it has no {key!r}")
        raise PassportError(
            f"this passport has no {key!r}; measure it with `lessons passport`, if this machine can"
        )

    def bandwidth(
        self, kind: str = "read", level: str = "dram", threads: int | None = 1, device: str = "cpu"
    ) -> Quantity:
        """Return bytes per second, read plus written by STREAM's rule (write-allocate left out).

        Args:
            kind: "read", "copy" or "triad"; at "dram" also "copy_nt" and "triad_nt" (non-temporal stores).
            level: "l1", "l2", "l3" or "dram"; on CUDA "l2" or "dram".
            threads: 1 or all (None); of no meaning on CUDA.
            device: "cpu" or "cuda".
        """
        if device == "cuda":
            return self.peak(f"cuda.bandwidth.{kind}.{level}")
        return self.peak(f"cpu.bandwidth.{kind}.{level}.{self._threads(threads)}")

    def latency(self, level: str = "dram", device: str = "cpu") -> Quantity:
        """Return seconds of one dependent load that finds its line in ``level``."""
        return self.peak(f"{device}.latency.{level}")

    def flops(self, dtype: str = "float32", threads: int | None = 1, device: str = "cpu") -> Quantity:
        """Return FLOP/s in registers, a multiply-add counted as 2 ("float32", "float64"; on the CPU "int8", in OP/s).

        Of "int8" one factor has 4 bits: what a product of packed weights and quantised activations does.
        """
        if device == "cuda":
            return self.peak(f"cuda.flops.{dtype}")
        return self.peak(f"cpu.flops.{dtype}.{self._threads(threads)}")

    def matmul(self, dtype: str = "float32", threads: int | None = 1, device: str = "cpu") -> Quantity:
        """Return FLOP/s of torch's large square matrix product ("float32", "bfloat16")."""
        if device == "cuda":
            return self.peak(f"cuda.matmul.{dtype}")
        return self.peak(f"cpu.matmul.{dtype}.{self._threads(threads)}")

    def product(self, weights: str = "packed", arithmetic: str = "int8") -> Quantity:
        """Return FLOP/s (OP/s for int8) that this book's product of a few rows reaches, one thread.

        Args:
            weights: "packed" (4 bits) or "float32".
            arithmetic: "int8" or "float32".
        """
        return self.peak(f"cpu.product.{weights}.{arithmetic}")

    def row_end(self) -> Quantity:
        """Return the seconds that a row of a float32 matrix costs beside its bytes, multiplied by one vector."""
        return self.peak("cpu.product.row_end")

    def held(self) -> Quantity:
        """Return the bytes of the last cache that one thread gets to keep; the reported size where none was found."""
        caches = self.machine["caches"]
        if not caches:
            raise PassportError(
                "this system tells of no cache, so none can be said to be kept; run it on Linux"
            )
        key = f"cpu.held.{caches[-1]['level']}"
        try:
            return self.peaks[key].of(key)
        except KeyError:
            return Quantity(caches[-1]["bytes"], "B")

    def gather(self) -> Quantity:
        """Return bytes per second of random lines from memory, one thread, where no load waits for another."""
        return self.peak("cpu.gather.dram")

    def page_cache(self) -> Quantity:
        """Return bytes per second that ``read`` copies from a file that is in memory already."""
        return self.peak("page_cache.read")

    def cost(self, name: str, device: str = "cpu") -> Quantity:
        """Return seconds of a fixed cost: "call" (a compiled function), "launch" (a parallel one, or a CUDA
        kernel), "page_fault" (first touch of a page)."""
        return self.peak(f"{device}.cost.{name}")

    def transfer(self, direction: str = "h2d", pinned: bool = True) -> Quantity:
        """Return bytes per second between host and CUDA device ("h2d", "d2h")."""
        return self.peak(f"cuda.transfer.{direction}.{'pinned' if pinned else 'pageable'}")

    def disk(self, kind: str = "read") -> Quantity:
        """Return bytes per second of sequential file reads past the page cache."""
        return self.peak(f"disk.{kind}")

    def _threads(self, threads: int | None) -> int:
        return self.threads if threads is None else threads
