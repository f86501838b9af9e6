"""Packed products for CUDA: a warp reads two words of each of a tile's 16 rows at a time, which lie in 128 bytes.

The weights lie as ``layout`` says, in 32-bit words: [tiles, blocks, words of a block]. Lane 16 h + r of a warp has
row r of the tile and every second word of its codes, from word h on. The warps of a tile take turns at its blocks;
what the lanes of a row have summed is added up in the end. All arithmetic is float32.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, float32, int32, uint32

from lessons.kernels.packed.formats import BLOCK, Format, find
from lessons.kernels.packed.layout import Packed
from lessons.kernels.tools import device
from lessons.kernels.tools.product import TILE

WARP = 32
MAX_WARPS = 8  # that share a tile
MAX_THREADS = WARP * MAX_WARPS
BUSY = 32  # warps that a multiprocessor wants, so that some compute while others wait for memory


@cuda.jit(device=True, inline="always")
def half(w, tile, block, first, row):
    """Return float16 number ``row`` after word ``first`` of a block as float32. It must be finite."""
    bits = w[tile, block, first + row // 2] >> (16 * (row % 2))
    # Exponent and fraction in their places of a float32 are the number over 2^112; denormals come right as well.
    # These are operations that the simulator has, too.
    return device.as_float((bits & 0x8000) << 16 | (bits & 0x7FFF) << 13) * float32(2.0**112)


def _value(format: Format) -> Any:
    """Return the device function ``value(code, book)``: what a stored code stands for, before its scale."""
    centre = 0 if format.minimum else format.centre

    @cuda.jit(device=True, inline="always")
    def from_line(code, book):
        return float32(int32(code - centre))

    @cuda.jit(device=True, inline="always")
    def from_book(code, book):
        return book[code]

    return from_book if format.book else from_line


@cache
def kernel(format: str, rows: int) -> Any:
    """Return the kernel ``run(x, w, y)``: y = x wᵀ, for a grid of as many blocks as tiles, each of up to 8 warps.

    Args:
        format: "Q4_1", "Q4_0", "NF4" or "Q8_0".
        rows: known to the compiler, so that each row's sum is a register.

    Arguments of the kernel:
        x: float32 [rows, columns]. w: int32 [tiles, blocks, words of a block]. y: float32 [rows, outputs].
    """
    kind = find(format)
    value, codes = _value(kind), np.array(kind.book or [0] * 16, np.float32)
    loads, parts, mask = kind.words // 2, 8 // kind.bits, 2**kind.bits - 1
    scales, minimum = kind.scales_at // 4, kind.minimum

    @cuda.jit
    def run(x, w, y):
        book = cuda.shared.array(16, float32)
        shared = cuda.shared.array((rows, MAX_THREADS), float32)
        tile, me, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
        if me < 16:
            book[me] = cuda.const.array_like(codes)[me]
        cuda.syncthreads()
        lane, row = me % WARP, me % TILE
        sums = cuda.local.array(rows, float32)
        for r in range(rows):
            sums[r] = float32(0.0)
        for block in range(me // WARP, w.shape[1], threads // WARP):
            scale = half(w, tile, block, scales, row)
            least = half(w, tile, block, scales + TILE // 2, row) if minimum else float32(0.0)
            for load in range(loads):
                word = w[tile, block, WARP * load + lane]
                first = BLOCK * block + 4 * (2 * load + lane // TILE)
                for byte in range(4):
                    for part in range(parts):
                        weight = scale * value(word >> (8 * byte + 4 * part) & mask, book) + least
                        column = uint32(first + byte + 16 * part)  # unsigned: never counted from the end
                        for r in range(rows):
                            sums[r] += weight * x[r, column]
        for r in range(rows):
            shared[r, me] = sums[r]
        cuda.syncthreads()
        for i in range(me, rows * TILE, threads):
            total = float32(0.0)
            for other in range(i % TILE, threads, TILE):
                total += shared[i // TILE, other]
            y[i // TILE, TILE * tile + i % TILE] = total

    return run


@cache
def expand_kernel(format: str) -> Any:
    """Return the kernel ``run(w, out)``: w as float32 rows, for a grid [tiles, blocks] of 512 threads, a weight each.

    Arguments of the kernel:
        w: int32 [tiles, blocks, words of a block]. out: float32 [16 * tiles, columns].
    """
    kind = find(format)
    value, codes = _value(kind), np.array(kind.book or [0] * 16, np.float32)
    span = BLOCK * kind.bits // 8  # columns until the next bits of the same words
    mask = 2**kind.bits - 1
    scales, minimum = kind.scales_at // 4, kind.minimum

    @cuda.jit
    def run(w, out):
        book = cuda.const.array_like(codes)
        tile, block = cuda.blockIdx.x, cuda.blockIdx.y
        row, column = cuda.threadIdx.x // BLOCK, cuda.threadIdx.x % BLOCK
        word = w[tile, block, column % span // 4 * TILE + row]
        code = word >> (8 * (column % 4) + 4 * (column // span)) & mask
        least = half(w, tile, block, scales + TILE // 2, row) if minimum else float32(0.0)
        weight = half(w, tile, block, scales, row) * value(code, book) + least
        out[TILE * tile + row, BLOCK * block + column] = weight

    return run


def linear(x: Any, packed: Packed, out: Any) -> None:
    """Queue x wᵀ into ``out``; see ``lessons.kernels.packed``."""
    w = _words(packed.data)
    tiles, blocks, _ = w.shape
    warps = min(MAX_WARPS, blocks, -(-BUSY * device.processors() // tiles))
    device.launch(kernel(packed.format, x.shape[0]), tiles, WARP * warps, x, w, out)


def expand(packed: Packed, out: Any, first: int, last: int) -> None:
    """Queue the tiles from ``first`` to before ``last`` as float32 rows into ``out``."""
    w = _words(packed.data[first:last])
    if first < last:  # a grid cannot be empty
        device.launch(expand_kernel(packed.format), tuple(w.shape[:2]), TILE * BLOCK, w, out)


def _words(data: Any) -> Any:
    import torch

    return data.view(torch.int32)
