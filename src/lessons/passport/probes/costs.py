"""Costs that do not depend on the amount of work: calls of compiled functions, and fresh pages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import TYPE_CHECKING

from lessons.measure import median_interval, time
from lessons.passport.probe import Probe, Progress
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.topology import Topology


def measure(
    machine: Topology, sizes: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Quantity]]:
    """Yield seconds of a compiled call, of a parallel call, and of the first touch of a page."""
    from numba import njit, prange, types

    @njit(types.int64(types.int64))
    def nothing(x):
        return x

    @njit(types.int64(types.int64), parallel=True)
    def nothing_in_parallel(x):
        total = 0
        for i in prange(x):
            total += i
        return total

    cores = machine.cores
    progress("fixed costs: calls")
    yield "cpu.cost.call", time(lambda: nothing(1), samples=15, min_sample_seconds=1e-4).median()
    yield (
        "cpu.cost.launch",
        time(lambda: nothing_in_parallel(cores), warmup=20, samples=51, min_sample_seconds=1e-4).median(),
    )
    progress("fixed costs: page faults")
    yield "cpu.cost.page_fault", page_fault(fresh_pages)


def fresh_pages(size: int):
    """Return ``size`` bytes, uint8, that the kernel has yet to back with memory.

    An allocator may hand out pages that this process has touched before, however large the request, so the
    kernel is asked itself; and asked for huge pages, as NumPy asks for its own large arrays.
    """
    import mmap

    import numpy as np

    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    memory = mmap.mmap(-1, size, **private)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel built without huge pages refuses the advice
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint8)


def page_fault(allocate: Callable) -> Quantity:
    """Return seconds that the first touch of a page costs beyond its second touch.

    Args:
        allocate: returns a fresh uint8 array of so many bytes that nobody has touched.
    """
    page, pages = 4096, 8192

    def touch(array) -> float:
        start = perf_counter()
        array[::page] = 1
        return perf_counter() - start

    costs = []
    for _ in range(9):
        fresh = allocate(page * pages)
        first, again = touch(fresh), touch(fresh)
        costs.append(max(0.0, first - again) / pages)
        del fresh
    return median_interval(costs, "s")


PROBE = Probe(__name__, "cpu.cost.", measure)
