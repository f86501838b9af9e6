"""This machine's peaks, measured where they are looked up and are not there yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lessons.errors import LessonError
from lessons.locks import measuring
from lessons.passport import pages
from lessons.passport.measuring import stale, take
from lessons.passport.pages import Page
from lessons.passport.probe import Probe, Progress
from lessons.passport.probes import PROBES
from lessons.topology import Topology
from lessons.units import Quantity


class Peaks(Mapping[str, Quantity]):
    """All peaks of this machine by key. What was not measured yet, or by other code, is measured on look-up.

    Only the probe that the key belongs to measures then. To go through all keys measures all that is missing.

    Args:
        machine: this one.
        path: the file that keeps what is measured; None for none.
        progress: told what is being measured and why.
        probes: those there are.

    Attributes:
        machine: as given.
        doubts: sentences by key, for what stayed doubtful when it was measured.
    """

    def __init__(
        self, machine: Topology, path: Path | None, progress: Progress, probes: Iterable[Probe] | None = None
    ) -> None:
        self.doubts: dict[str, str] = {}
        self.machine, self._path, self._progress = machine, path, progress
        self._probes = [p for p in (PROBES if probes is None else probes) if p.runs_on(machine)]
        self._pages: dict[str, Page] = {}
        self._fresh: set[str] = set()  # the probes whose pages have been compared with their code
        there = self._kept()
        for probe in self._probes:
            if page := there.get(probe.name):
                self._turn_to(probe, page)

    def __getitem__(self, key: str) -> Quantity:
        for probe in self._probes:
            if key.startswith(probe.prefix):
                self.bring([probe])
                return self._pages[probe.name].peaks[key]
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        self.bring()
        for probe in self._probes:
            yield from self._pages[probe.name].peaks

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def dates(self) -> list[str]:
        """The days on which what is here was measured, the first one first."""
        return sorted({page.date for page in self._pages.values()})

    @property
    def versions(self) -> dict[str, str]:
        """The versions of Python and packages behind what was measured last."""
        newest = max(self._pages.values(), key=lambda page: page.date, default=None)
        return newest.versions if newest else {}

    def due(self) -> dict[str, str]:
        """Return the names of the probes that have to measure, each with the reason."""
        return {probe.name: reason for probe in self._probes if (reason := self._reason(probe))}

    def bring(self, probes: Iterable[Probe] | None = None, *, anew: bool = False) -> None:
        """Measure what is missing or stale, one process at a time, and keep it.

        Args:
            probes: which to bring up to date; all that this machine can run when left out.
            anew: measure them whether they are due or not.
        """
        wanted = self._probes if probes is None else list(probes)
        if not any(anew or self._reason(probe) for probe in wanted):
            return
        with measuring(self._progress):
            there = self._kept()
            for probe in wanted:
                # Another process may have measured while this one waited.
                if not anew and self._reason(probe) and not stale(there.get(probe.name), probe, self.machine):
                    self._turn_to(probe, there[probe.name])
                reason = self._reason(probe)
                if anew or reason:
                    if not anew:
                        self._progress(f"{probe.name}: {reason}; measuring now")
                    self._turn_to(probe, take(probe, self.machine, self._progress))
                    self._fresh.add(probe.name)
                    self._keep(probe)

    def _reason(self, probe: Probe) -> str:
        if probe.name in self._fresh:
            return ""
        reason = stale(self._pages.get(probe.name), probe, self.machine)
        if not reason:
            self._fresh.add(probe.name)
        return reason

    def _turn_to(self, probe: Probe, page: Page) -> None:
        self._pages[probe.name] = page
        for key in [key for key in self.doubts if key.startswith(probe.prefix)]:
            del self.doubts[key]
        self.doubts.update(page.doubts)

    def _kept(self) -> dict[str, Page]:
        """Return the pages of this machine that the file holds now."""
        try:
            fingerprint, there = pages.read(self._path) if self._path else ("", {})
        except LessonError:
            return {}
        return there if fingerprint == self.machine.fingerprint() else {}

    def _keep(self, probe: Probe) -> None:
        if self._path is None:
            return
        try:
            pages.add(self._path, self.machine, {probe.name: self._pages[probe.name]})
        except (LessonError, OSError) as reason:
            self._progress(f"what is measured now will not be kept: {reason}")
            self._path = None
