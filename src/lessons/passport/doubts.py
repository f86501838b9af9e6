"""What cannot be right in a probe's peaks. It shows that the machine was busy while they were measured.

The rules compare peaks with one another, so they hold on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lessons.units import Quantity

LEVELS = ("l1", "l2", "l3", "l4", "dram")


def doubts(peaks: Mapping[str, Quantity]) -> dict[str, str]:
    """Return for each doubtful key a sentence that says why.

    Args:
        peaks: all peaks of one probe, by key.
    """
    return {**_wide(peaks), **_upside_down(peaks), **_crowded(peaks)}  # the worst is said


def lines(found: Mapping[str, str]) -> list[str]:
    """Return one line for each sentence, with the key that it speaks of, or the first one and how many more."""
    keys: dict[str, list[str]] = {}
    for key, sentence in found.items():
        keys.setdefault(sentence, []).append(key)
    return [
        f"{first} and {len(more)} more are doubtful: {sentence}"
        if more
        else f"{first} is doubtful: {sentence}"
        for sentence, (first, *more) in keys.items()
    ]


def memory_in_cache(peaks: Mapping[str, Quantity]) -> dict[str, str]:
    """Return the keys of memory's peaks that are no slower than the last cache's, each with a sentence.

    A working set that a cache holds has that cache's speed, whatever it is called. Only reads and latencies are
    compared: what a store costs differs from level to level in more than bandwidth.
    """
    found = {}
    for family, keys in _families(peaks):
        caches = [level for level in keys if level != "dram"]
        if "dram" not in keys or not caches or not (".read." in family or ".latency." in family):
            continue
        if not _slower(peaks[keys["dram"]], peaks[keys[caches[-1]]]):
            found[keys["dram"]] = (
                f"memory is not surely slower than {caches[-1]}: its working set may lie in a cache"
            )
    return found


def _upside_down(peaks: Mapping[str, Quantity]) -> dict[str, str]:
    """A level is slower than one farther away, and their intervals do not touch."""
    found = {}
    for _, keys in _families(peaks):
        levels = list(keys)
        for i, near in enumerate(levels):
            for far in levels[i + 1 :]:
                if _slower(peaks[keys[near]], peaks[keys[far]]):
                    values = f"{_brief(peaks[keys[near]])} against {_brief(peaks[keys[far]])}"
                    found[keys[near]] = f"{near} is slower than {far}, which is farther away ({values})"
    return found


def _crowded(peaks: Mapping[str, Quantity]) -> dict[str, str]:
    """All threads together reach less than half of what one reaches alone."""
    found = {}
    for key, all_threads in peaks.items():
        stem, _, count = key.rpartition(".")
        one = peaks.get(f"{stem}.1")
        if one and count.isdecimal() and all_threads.value < one.value / 2:
            values = f"{_brief(all_threads)} against {_brief(one)}"
            found[key] = f"{count} threads together reach less than half of what one reaches ({values})"
    return found


def _wide(peaks: Mapping[str, Quantity]) -> dict[str, str]:
    """The ends of the interval lie more than a factor of two apart."""
    return {
        key: f"its interval is wide: {peak}" for key, peak in peaks.items() if not peak.high <= 2 * peak.low
    }


def _families(peaks: Mapping[str, Quantity]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the keys that differ in the level alone, by level and nearest first: "cpu.latency.*", {"l1": ...}."""
    families: dict[str, dict[str, str]] = {}
    for level in LEVELS:
        for key in peaks:
            words = key.split(".")
            if level in words:
                family = ".".join("*" if word == level else word for word in words)
                families.setdefault(family, {})[level] = key
    yield from families.items()


def _slower(one: Quantity, other: Quantity) -> bool:
    """Tell whether ``one`` is slower than ``other`` beyond both intervals; both are rates, or both are times."""
    return one.low > other.high if one.unit == "s" else one.high < other.low


def _brief(peak: Quantity) -> str:
    return str(Quantity(peak.value, peak.unit))
