"""The buddy allocator: sizes are powers of two, and a freed half joins its other half when that is free too."""

from __future__ import annotations

from lessons.formulas.paging import buddy


class BuddyAllocator:
    """Hands out runs of slots whose sizes are powers of two.

    A run is halved until it is just large enough. The address of a run's other half, its buddy, differs in one
    bit, so that joining them again needs no search.

    Args:
        capacity: slots in all; a power of two.

    Raises:
        ValueError: when the capacity is no power of two.

    Source:
        D. E. Knuth, The Art of Computer Programming 1, section 2.5; wilson1995allocation.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1 or capacity & (capacity - 1):
            raise ValueError(f"a buddy allocator needs a power of two, got {capacity}")
        self.capacity = capacity
        self.allocated = 0
        self._free: dict[int, set[int]] = {capacity: {0}}  # starts of the free runs of each size
        self._sizes: dict[int, int] = {}

    def allocate(self, slots: int) -> int | None:
        """Return the first slot of a run of ``buddy(slots)`` slots, or None when no run is long enough."""
        size = buddy(slots)
        found = min((s for s, starts in self._free.items() if starts and s >= size), default=None)
        if found is None:
            return None
        start = min(self._free[found])
        self._free[found].remove(start)
        while found > size:
            found //= 2
            self._free.setdefault(found, set()).add(start + found)
        self._sizes[start] = size
        self.allocated += size
        return start

    def free(self, start: int) -> None:
        """Give a run back and join it with its buddy as often as that is free.

        Raises:
            ValueError: when no run begins there.
        """
        if start not in self._sizes:
            raise ValueError(f"no run was handed out at slot {start}")
        size = self._sizes.pop(start)
        self.allocated -= size
        while size < self.capacity and start ^ size in self._free.get(size, ()):
            self._free[size].remove(start ^ size)
            start &= ~size
            size *= 2
        self._free.setdefault(size, set()).add(start)

    def largest(self) -> int:
        """Return the longest free run in slots."""
        return max((size for size, starts in self._free.items() if starts), default=0)
