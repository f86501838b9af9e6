"""The rate of memory at the minute of a measurement, which tells a passport that is too slow from other reasons."""

from __future__ import annotations

from lessons.measure import time
from lessons.measure.verdict import differs
from lessons.units import Quantity, format_value

BUFFER = 1 << 29  # bytes; more than a thread keeps in a last cache
# A time that beats its bound, and two reasons: one that a second measurement confirms, and what is left without it.
REASONS = ("passport-low", "still-faster")


def rate_now(size: int = BUFFER) -> Quantity:
    """Return the bytes per second that one thread reads from memory now, by the kernel of the passport's row."""
    from lessons.kernels.stream import stream
    from lessons.kernels.tools.buffers import aligned

    memory = aligned(size // 8)
    return time(lambda: stream("read", memory, memory, threads=1), samples=7).rate(memory.nbytes, "B/s")


def reason(seconds: Quantity, predicted: Quantity, bytes_read: float, now: Quantity) -> list[str]:
    """Return why a time is shorter than its bytes need at the passport's bandwidth, or nothing where that stays open.

    Args:
        seconds: as measured.
        predicted: what ``bytes_read`` take at the passport's bandwidth.
        bytes_read: what the prediction counts.
        now: ``rate_now``, put in the place of the passport's row.
    """
    if differs(seconds.ratio(now.inverse(bytes_read, "s"))) < 0:
        return ["still-faster"]
    return ["passport-low"] * (differs(now.ratio(predicted.inverse(bytes_read, "B/s"))) > 0)


def rates(now: Quantity, bytes_read: float, predicted: Quantity) -> dict[str, str]:
    """Return as facts the rate of memory now, and that of the passport, by which ``predicted`` was reckoned."""
    then = predicted.inverse(bytes_read, "B/s")
    return {"now": format_value(now.value, "B/s"), "then": format_value(then.value, "B/s")}
