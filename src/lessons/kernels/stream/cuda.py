"""The STREAM kernels for CUDA: a grid-stride loop, neighbouring threads on neighbouring elements."""

from __future__ import annotations

from typing import Any

from numba import cuda

from lessons.kernels.tools import device

# Enough threads to keep a device's memory busy: 8 blocks of 256 on each multiprocessor.
BLOCKS_PER_PROCESSOR = 8


@cuda.jit
def copy(a, b, c, scalar):
    for i in range(cuda.grid(1), a.size, cuda.gridsize(1)):
        a[i] = b[i]


@cuda.jit
def scale(a, b, c, scalar):
    for i in range(cuda.grid(1), a.size, cuda.gridsize(1)):
        a[i] = scalar * b[i]


@cuda.jit
def add(a, b, c, scalar):
    for i in range(cuda.grid(1), a.size, cuda.gridsize(1)):
        a[i] = b[i] + c[i]


@cuda.jit
def triad(a, b, c, scalar):
    for i in range(cuda.grid(1), a.size, cuda.gridsize(1)):
        a[i] = b[i] + scalar * c[i]


@cuda.jit
def read(sums, b, passes):
    """Leave the sum of all that each block has read in ``sums``, one number a block.

    In each pass a block takes the part that its neighbour had in the pass before, so that it does not find it in the
    L1 of its own multiprocessor.
    """
    total, step = 0.0, cuda.gridsize(1)
    for turn in range(passes):
        for i in range((cuda.grid(1) + turn * cuda.blockDim.x) % step, b.size, step):
            total += b[i]
    total = device.block_sum(total)
    if cuda.threadIdx.x == 0:
        sums[cuda.blockIdx.x] = total


WRITES = {"copy": copy, "scale": scale, "add": add, "triad": triad}


def stream(kind: str, a: Any, b: Any, c: Any, scalar: float, repeats: int) -> Any:
    """Queue ``repeats`` passes on CUDA tensors; see ``lessons.kernels.stream``.

    Those of "read" are made in one launch. Each of the others is a launch, since its blocks would overtake each other.

    Returns:
        For "read" a tensor of no dimensions, still on the device: turning it into a float would wait for it.
    """
    blocks = BLOCKS_PER_PROCESSOR * device.processors()
    if kind == "read":
        sums = b.new_empty(blocks)
        device.launch(read, blocks, device.THREADS, sums, b, repeats)
        return sums.sum()
    for _ in range(repeats):
        device.launch(WRITES[kind], blocks, device.THREADS, a, b, c, scalar)
    return None
