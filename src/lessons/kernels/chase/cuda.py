"""The chase for CUDA: one thread, each index read from the place that the last one named."""

from __future__ import annotations

from typing import Any

from numba import cuda

from lessons.kernels.tools import device


@cuda.jit
def walk(links, steps, start, end):
    place = start[0]
    for _ in range(steps):
        place = links[place]
    end[0] = place


def chase(links: Any, steps: int, start: Any) -> Any:
    """Follow the ring of indices in a CUDA tensor; see ``lessons.kernels.chase``.

    Args:
        links, steps: as there.
        start: an element's number, or what an earlier walk returned, which goes on without waiting for the device.

    Returns:
        A tensor of no dimensions, still on the device: turning it into an int would wait for it.
    """
    begin = start.reshape(1) if isinstance(start, type(links)) else links.new_full((1,), start)
    end = links.new_empty(1)
    device.launch(walk, 1, 1, links, steps, begin, end)
    return end[0]
