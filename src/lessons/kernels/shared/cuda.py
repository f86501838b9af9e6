"""The walk for CUDA: each read's place is the value of the read before it."""

from __future__ import annotations

from typing import Any

from numba import cuda, uint32

from lessons.kernels.shared.reference import LOADS, WORDS
from lessons.kernels.tools import device


@cuda.jit
def steps(stride, rounds, ends):
    tile = cuda.shared.array(WORDS, uint32)
    me = cuda.threadIdx.x
    for i in range(me, WORDS, cuda.blockDim.x):
        tile[i] = uint32((i + 1) % WORDS)
    cuda.syncthreads()
    # Unsigned, or each read would pay for Numba's check for a negative index.
    place = uint32(me % 32 * stride)
    for _ in range(rounds):
        for _ in range(LOADS):
            place = tile[place]
    ends[cuda.grid(1)] = place


def walk(stride: int, rounds: int, blocks: int, threads: int) -> Any:
    """Queue the walk on the current device; see ``lessons.kernels.shared``."""
    import torch

    grid = blocks * device.processors()
    where = "cpu" if device.SIMULATED else "cuda"
    ends = torch.empty(grid * threads, dtype=torch.int32, device=where)
    device.launch(steps, grid, threads, stride, rounds, ends)
    return ends
