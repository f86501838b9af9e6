"""What one thread reads from memory beside what all of them read together, by the passport."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lessons.experiments.text import FOLDER, fill, sections
from lessons.measure.verdict import differs
from lessons.units import format_value

if TYPE_CHECKING:
    from lessons.passport import Passport


def told(passport: Passport) -> str:
    """Return the sentence that the two bandwidths allow, decided on their intervals."""
    said, threads = sections(FOLDER / "cpu_memory" / "text.md")["threads"], passport.threads
    if threads == 1:
        return said["one"]
    gain = passport.bandwidth("read", "dram", threads).ratio(passport.bandwidth("read", "dram"))
    found = {1: "more", 0: "alike", -1: "fewer"}[differs(gain)]
    return fill(said[found], {"threads": threads, "gain": format_value(gain.value, "1")})
