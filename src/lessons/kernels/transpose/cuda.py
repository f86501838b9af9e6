"""The transpose for CUDA: each block one square of 32 x 32, straight through or turned in shared memory."""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import cuda, float32

from lessons.kernels.tools import device

TILE = 32  # elements on a side: a warp reads a row of it
ROWS = device.THREADS // TILE  # that a block's threads read at once
# Words from one row of the tile to the next, and the bits of the row's number by which its places are exchanged. With
# 32 words a column lies in one of the 32 banks; one word more moves each row on by a bank.
LAYOUTS = {"tiled": (TILE, 0), "padded": (TILE + 1, 0), "swizzled": (TILE, TILE - 1)}


@cuda.jit
def naive(x, out):
    """A warp reads a row of 32 neighbours, and writes each of them to another row of ``out``."""
    j = cuda.blockIdx.x * TILE + cuda.threadIdx.x % TILE
    top = cuda.blockIdx.y * TILE
    for r in range(cuda.threadIdx.x // TILE, TILE, ROWS):
        if top + r < x.shape[0] and j < x.shape[1]:
            out[j, top + r] = x[top + r, j]


@cache
def tiled(pitch: int, mask: int) -> Any:
    """Return the kernel ``(x, out)`` whose tile is laid out so; see ``LAYOUTS``. Its warps read rows and write rows."""

    @cuda.jit
    def run(x, out):
        tile = cuda.shared.array((TILE, pitch), float32)
        column, first = cuda.threadIdx.x % TILE, cuda.threadIdx.x // TILE
        left, top = cuda.blockIdx.x * TILE, cuda.blockIdx.y * TILE
        if top + TILE <= x.shape[0] and left + TILE <= x.shape[1]:
            # No branch between a thread's reads: all are under way at once.
            for k in range(0, TILE, ROWS):
                r = first + k
                tile[r, column ^ (r & mask)] = x[top + r, left + column]
        else:
            for r in range(first, TILE, ROWS):
                if top + r < x.shape[0] and left + column < x.shape[1]:
                    tile[r, column ^ (r & mask)] = x[top + r, left + column]
        cuda.syncthreads()
        for r in range(first, TILE, ROWS):
            if left + r < x.shape[1] and top + column < x.shape[0]:
                out[left + r, top + column] = tile[column, r ^ (column & mask)]

    return run


def transpose(way: str, x: Any, out: Any) -> None:
    """Queue one transpose of CUDA tensors; see ``lessons.kernels.transpose``."""
    rows, columns = x.shape
    blocks = (-(-columns // TILE), -(-rows // TILE))
    device.launch(naive if way == "naive" else tiled(*LAYOUTS[way]), blocks, device.THREADS, x, out)
