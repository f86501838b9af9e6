"""What a probe is: one family of peaks, with what it takes to measure it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lessons.results import digest

if TYPE_CHECKING:
    from lessons.topology import Topology
    from lessons.units import Quantity

Progress = Callable[[str], None]
Measure = Callable[["Topology", Mapping[str, int], Progress], Iterator[tuple[str, "Quantity"]]]

# The list of the probes, and what keeps their values: an edit there says nothing against a value.
APART = ("lessons.passport", "lessons.passport.probe", "lessons.passport.probes")


@dataclass(frozen=True)
class Probe:
    """One family of peaks. It stands in a module of its own, and whoever adds one adds it to ``PROBES``.

    Attributes:
        module: the ``__name__`` of its module. Its last word names the probe in ``machine.json``.
        prefix: what its keys begin with, such as "cpu.latency."; no two probes share one.
        measure: takes the machine, the bytes of each level's working set and a listener; yields keys with their
            quantities. Asked for some of the levels, it measures those.
        device: "cpu", or "cuda" where it needs a CUDA device.
        by_level: whether its values depend on the working sets.
    """

    module: str
    prefix: str
    measure: Measure
    device: str = "cpu"
    by_level: bool = False

    @property
    def name(self) -> str:
        """The last word of its module: "bandwidth"."""
        return self.module.rpartition(".")[2]

    def runs_on(self, machine: Topology) -> bool:
        """Tell whether this machine has what the probe needs."""
        return self.device == "cpu" or bool(machine.gpus)

    def digest(self, package: Path = digest.PACKAGE) -> str:
        """Return a hash of the code that measures: the probe's module and all that it reaches, kernels included.

        A value with another digest is stale. Comments, other probes and other kernels do not change it.
        """
        return digest.code_digest(self.module, package, APART)
