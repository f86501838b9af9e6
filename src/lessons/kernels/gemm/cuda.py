"""The product for CUDA: a thread for each result, then tiles in shared memory, then a square of results per thread."""

from __future__ import annotations

from typing import Any

from numba import cuda, float32

from lessons.kernels.tools import device

TILE = 16  # threads along each side of a block
EACH = 4  # results along each side of a thread's square
BLOCK = EACH * TILE
SIDES = {"naive": TILE, "tiled": TILE, "registers": BLOCK}  # of the results of one block


@cuda.jit
def naive(a, b, out):
    """Give each result a thread, neighbouring threads neighbouring columns, so that loads of b and stores coalesce."""
    row = cuda.blockIdx.y * TILE + cuda.threadIdx.x // TILE
    column = cuda.blockIdx.x * TILE + cuda.threadIdx.x % TILE
    if row < out.shape[0] and column < out.shape[1]:
        total = float32(0)
        for k in range(a.shape[1]):
            total += a[row, k] * b[k, column]
        out[row, column] = total


@cuda.jit
def tiled(a, b, out):
    """The same from shared memory: each thread brings one element of either tile, and all of the block use it."""
    a_tile = cuda.shared.array((TILE, TILE), float32)
    b_tile = cuda.shared.array((TILE, TILE), float32)
    y, x = cuda.threadIdx.x // TILE, cuda.threadIdx.x % TILE
    row, column = cuda.blockIdx.y * TILE + y, cuda.blockIdx.x * TILE + x
    total = float32(0)
    for first in range(0, a.shape[1], TILE):
        # Zeros beyond the edges change no sum: all meet at the barriers.
        inside = row < a.shape[0] and first + x < a.shape[1]
        a_tile[y, x] = a[row, first + x] if inside else float32(0)
        inside = first + y < b.shape[0] and column < b.shape[1]
        b_tile[y, x] = b[first + y, column] if inside else float32(0)
        cuda.syncthreads()
        for k in range(TILE):
            total += a_tile[y, k] * b_tile[k, x]
        cuda.syncthreads()
    if row < out.shape[0] and column < out.shape[1]:
        out[row, column] = total


@cuda.jit
def registers(a, b, out):
    """The same with 4 x 4 results in the registers of each thread: eight loads serve 16 multiply-adds.

    A thread's results lie ``TILE`` apart, so that neighbouring threads read neighbouring words of shared memory.
    """
    a_tile = cuda.shared.array((BLOCK, TILE), float32)
    b_tile = cuda.shared.array((TILE, BLOCK), float32)
    y, x = cuda.threadIdx.x // TILE, cuda.threadIdx.x % TILE
    top, left = cuda.blockIdx.y * BLOCK, cuda.blockIdx.x * BLOCK
    sums = cuda.local.array((EACH, EACH), float32)
    down = cuda.local.array(EACH, float32)
    across = cuda.local.array(EACH, float32)
    for r in range(EACH):
        for s in range(EACH):
            sums[r, s] = float32(0)
    for first in range(0, a.shape[1], TILE):
        for r in range(EACH):
            row, column = top + y + TILE * r, first + x
            inside = row < a.shape[0] and column < a.shape[1]
            a_tile[y + TILE * r, x] = a[row, column] if inside else float32(0)
            row, column = first + y, left + x + TILE * r
            inside = row < b.shape[0] and column < b.shape[1]
            b_tile[y, x + TILE * r] = b[row, column] if inside else float32(0)
        cuda.syncthreads()
        for k in range(TILE):
            for r in range(EACH):
                down[r] = a_tile[y + TILE * r, k]
                across[r] = b_tile[k, x + TILE * r]
            for r in range(EACH):
                for s in range(EACH):
                    sums[r, s] += down[r] * across[s]
        cuda.syncthreads()
    for r in range(EACH):
        for s in range(EACH):
            row, column = top + y + TILE * r, left + x + TILE * s
            if row < out.shape[0] and column < out.shape[1]:
                out[row, column] = sums[r, s]


KERNELS = {"naive": naive, "tiled": tiled, "registers": registers}


def product(a: Any, b: Any, out: Any, way: str) -> None:
    """Queue a b into ``out``; see ``lessons.kernels.gemm``."""
    side = SIDES[way]
    blocks = (-(-out.shape[1] // side), -(-out.shape[0] // side))
    device.launch(KERNELS[way], blocks, TILE * TILE, a, b, out)
