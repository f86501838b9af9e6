"""Let a probe measure, and again where its values cannot be right."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Mapping

from lessons.passport.doubts import doubts, memory_in_cache
from lessons.passport.pages import Page
from lessons.passport.probe import Probe, Progress
from lessons.results.context import versions
from lessons.results.digest import files_hash
from lessons.topology import Topology, too_little_memory, working_sets
from lessons.units import Quantity, format_bytes

MORE_TRIES = 2


def take(probe: Probe, machine: Topology, progress: Progress) -> Page:
    """Measure with ``probe`` and return its page.

    Memory that is as fast as the last cache is measured once more with a larger working set, and what is doubtful
    up to twice more. What stays so is marked, and so is memory's peak where memory was too short to measure it.

    Args:
        probe: what to measure.
        machine: on what.
        progress: told in a few words what is being measured.
    """
    asked, digest, files = working_sets(machine), probe.digest(), files_hash()
    with _all_threads(machine.cores):
        sizes, peaks = asked, dict(probe.measure(machine, asked, progress))
        if probe.by_level and memory_in_cache(peaks):
            larger = min(4 * sizes["dram"], machine.memory // 8 // 8192 * 8192)
            if larger > sizes["dram"]:
                progress(
                    f"{probe.name}: memory is as fast as the last cache with {format_bytes(sizes['dram'])}; "
                    f"measuring it with {format_bytes(larger)}"
                )
                sizes = {**sizes, "dram": larger}
                peaks.update(probe.measure(machine, {"dram": larger}, progress))
        for _ in range(MORE_TRIES):
            found = doubts(peaks)
            if not found:
                break
            progress(f"{probe.name}: {_first(found)}; measuring again")
            again = dict(probe.measure(machine, _levels(sizes, found), progress))
            peaks.update({key: again[key] for key in found if key in again})
    return Page(
        digest=digest,
        files=files,
        date=datetime.date.today().isoformat(),
        versions=versions(),
        sizes=asked if probe.by_level else {},
        peaks=peaks,
        doubts={**_short(probe, machine, peaks), **memory_in_cache(peaks), **doubts(peaks)},
    )


def stale(page: Page | None, probe: Probe, machine: Topology) -> str:
    """Return why ``page`` does not hold what ``probe`` would measure now, or an empty text where it does."""
    if page is None:
        return "not measured yet"
    if probe.by_level:
        sets = working_sets(machine)
        if page.sizes != sets:
            return "its working sets have changed"
        words = {word for key in page.peaks for word in key.split(".")}
        if missing := [level for level in sets if level not in words]:
            return f"it holds nothing of {', '.join(missing)}"
    same = page.files == files_hash() or page.digest == probe.digest()
    return "" if same else "its code has changed"


def _short(probe: Probe, machine: Topology, peaks: Mapping[str, Quantity]) -> dict[str, str]:
    sentence = too_little_memory(machine) if probe.by_level else ""
    return {key: sentence for key in peaks if sentence and "dram" in key.split(".")}


def _first(found: Mapping[str, str]) -> str:
    key, sentence = next(iter(found.items()))
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{key} is doubtful, {sentence}{more}"


def _levels(sizes: Mapping[str, int], keys: Mapping[str, str]) -> Mapping[str, int]:
    """Return the levels that ``keys`` speak of; all, where they speak of none."""
    words = {word for key in keys for word in key.split(".")}
    return {level: size for level, size in sizes.items() if level in words} or sizes


@contextlib.contextmanager
def _all_threads(cores: int) -> Iterator[None]:
    """Let Numba use ``cores`` threads, whatever the caller's cell had set, and give back what it was."""
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(cores)
    try:
        yield
    finally:
        numba.set_num_threads(before)
