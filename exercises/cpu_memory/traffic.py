"""Build it: one cache, and what memory sees of a program's loads and stores."""

from __future__ import annotations

from collections.abc import Iterable


def traffic(accesses: Iterable[tuple[str, int]], lines: int, line: int = 64) -> tuple[int, int]:
    """Return the bytes that memory reads and writes while a program makes these accesses.

    Between the program and memory lies one cache. It holds ``lines`` lines, and any line of memory may lie in any of
    its places. Where a line needs room in a full cache, the least recently used line is evicted.

    - "load": the line is in the cache, or memory reads it into the cache.
    - "store": as a load, for a store changes only a part of its line. The line is now dirty: it differs from memory.
    - "stream": a non-temporal store of a whole line. Memory writes it at once and reads nothing. If the cache holds the
      line, that copy is thrown out, and not written: it is out of date.

    A dirty line is written to memory when it is evicted. At the end all lines leave the cache: those that are dirty are
    written.

    Args:
        accesses: ("load" | "store" | "stream", address in bytes), in the order of the program. Each lies in one line.
        lines: that the cache holds, 1 or more.
        line: bytes of a line.

    Returns:
        Bytes read from memory, and bytes written to it. Both are multiples of ``line``.
    """
    raise NotImplementedError("write traffic(): exercises/cpu_memory/traffic.py")
