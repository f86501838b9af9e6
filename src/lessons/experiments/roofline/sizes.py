"""What the chapter's experiments share: how large a working set must be."""

from __future__ import annotations

from lessons import topology

GIB = 1 << 30


def memory_bytes(limit: int) -> int:
    """Return the bytes of a working set that lies in memory, as the passport chooses it, but at most ``limit``."""
    return min(topology.working_sets(topology.read())["dram"], limit) // 65536 * 65536
