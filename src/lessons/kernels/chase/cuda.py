"""The chase for CUDA: one thread, each index read from the place that the last one named."""

from __future__ import annotations

from typing import Any

from numba import cuda

from lessons.kernels.tools import device


@cuda.jit
def walk(links, steps, start, end):
    place = start
    for _ in range(steps):
        place = links[place]
    end[0] = place


def chase(links: Any, steps: int, start: int) -> Any:
    """Follow the ring of indices in a CUDA tensor; see ``lessons.kernels.chase``.

    Returns:
        A tensor of no dimensions, still on the device: turning it into an int would wait for it.
    """
    end = links.new_empty(1)
    device.launch(walk, 1, 1, links, steps, start, end)
    return end[0]
