"""Pointer chase: each load's address is the value of the load before it, so that only latency counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lessons.kernels.chase.reference import ring

__all__ = ["chase", "chase_many", "ring", "walker"]


def chase(links: Any, steps: int, *, start: Any = 0) -> Any:
    """Follow ``links`` for ``steps`` dependent loads and return the place where the walk ends.

    Args:
        links: 1-D int64, from ``ring``: a NumPy array of byte addresses (CPU), or a CUDA tensor of indices
            in elements.
        steps: loads to make; on the CPU a multiple of 16.
        start: the element to start from; on CUDA also what an earlier walk returned.

    Returns:
        The element reached, so that no load can be left out: an int, or on CUDA a tensor of no dimensions.

    Raises:
        ValueError: when ``steps`` is not a multiple of 16.

    Source:
        lat_mem_rd of lmbench (McVoy and Staelin, 1996); the random cycle follows multichase, because a fixed
        stride meets the prefetcher.
    """
    if steps % 16:
        raise ValueError(f"steps must be a multiple of 16, got {steps}; round it up")
    if getattr(links, "is_cuda", False):
        from lessons.kernels.chase import cuda

        return cuda.chase(links, steps, start)
    from lessons.kernels.chase import cpu

    return cpu.chase(links, steps, start)


def chase_many(links: Any, steps: int, starts: Any) -> Any:
    """Follow the ring from several starts at once on the CPU: independent walks that the processor may overlap.

    Args:
        links: from ``ring``, a NumPy array.
        steps: loads of each walk.
        starts: int64 elements to start from, one for each walk; at most 32.

    Returns:
        int64, the element that each walk reached.

    Raises:
        ValueError: for no walks or more than 32, which would not fit in registers.

    Source:
        Little's law: the overlap of independent loads is what bandwidth is made of.
    """
    if not 1 <= len(starts) <= 32:
        raise ValueError(f"chase_many takes 1 to 32 walks, got {len(starts)}")
    from lessons.kernels.chase import cpu

    return cpu.chase_many(links, steps, starts)


def walker(links: Any, steps: int, walks: int = 1) -> Callable[[], None]:
    """Return a function that makes ``steps`` loads a call and goes on where it stopped, for timing.

    A walk that started anew each time would find in a cache the lines that it fetched the time before, however
    large the ring is.

    Args:
        links, steps: as for ``chase``.
        walks: on the CPU, independent walks that share the steps, begun at equal distances in memory.
    """
    if walks > 1:
        return _walker_of_many(links, steps // walks, walks)
    place: Any = 0

    def walk() -> None:
        nonlocal place
        place = chase(links, steps, start=place)

    return walk


def _walker_of_many(links: Any, steps: int, walks: int) -> Callable[[], None]:
    import numpy as np

    places = np.linspace(0, len(links) // 8, walks, endpoint=False).astype(np.int64) * 8

    def walk() -> None:
        nonlocal places
        places = chase_many(links, steps, places)

    return walk
