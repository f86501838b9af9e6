"""How a warp may read a tile in shared memory. Each kernel stores x there first, and then reads once per lane.

A tile is stored with ``PITCH`` words from one row to the next, which a kernel must know when it is compiled: hence one
kernel for each.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import cuda, float32

WORDS = 32  # of a row of x


@cuda.jit
def strided(x, out, step):
    """Lane i reads word i * step of 1,024."""
    words = cuda.shared.array(1024, float32)
    i = cuda.threadIdx.x
    for k in range(32):
        words[32 * k + i] = x[32 * k + i]
    cuda.syncthreads()
    out[i] = words[i * step]


@cuda.jit
def two_words(x, out):
    """Half of the lanes read word 0, the others word 32: two words of one bank."""
    words = cuda.shared.array(64, float32)
    i = cuda.threadIdx.x
    words[i] = x[i]
    words[32 + i] = x[32 + i]
    cuda.syncthreads()
    out[i] = words[32 * (i // 16)]


@cache
def column(pitch: int) -> Any:
    """Return the kernel in which lane i reads word 5 of row i, rows being ``pitch`` words apart."""

    @cuda.jit
    def read(x, out):
        tile = cuda.shared.array((32, pitch), float32)
        i = cuda.threadIdx.x
        for row in range(32):
            tile[row, i] = x[row, i]
        cuda.syncthreads()
        out[i] = tile[i, 5]

    return read


@cuda.jit
def swizzled_column(x, out):
    """Lane i reads word 5 of row i, which is kept at place 5 xor i."""
    tile = cuda.shared.array((32, 32), float32)
    i = cuda.threadIdx.x
    for row in range(32):
        tile[row, i ^ row] = x[row, i]
    cuda.syncthreads()
    out[i] = tile[i, 5 ^ i]


@cache
def vector_column(pitch: int, words: int, rows: int = 32) -> Any:
    """Return the kernel in which each lane reads one vector of ``words`` floats, lanes going down columns.

    Args:
        pitch: words from one row to the next.
        words: of a vector, 2 or 4.
        rows: of the tile: lane i reads row i modulo ``rows``, and of it vector i // rows.
    """
    vectors = pitch // words

    @cuda.jit
    def read(x, out):
        tile = cuda.shared.array((rows, vectors, words), float32)
        i = cuda.threadIdx.x
        for row in range(rows):
            tile[row, i // words, i % words] = x[row, i]
        cuda.syncthreads()
        piece = tile[i % rows, i // rows]
        total = float32(0)
        for k in range(words):
            total += piece[k]
        out[i] = total

    return read


@cache
def vector_rows(words: int) -> Any:
    """Return the kernel in which lane i reads the i-th vector of ``words`` floats: what lies in order."""

    @cuda.jit
    def read(x, out):
        vectors = cuda.shared.array((32, words), float32)
        i = cuda.threadIdx.x
        for k in range(words):
            vectors[i, k] = x[i, k]
        cuda.syncthreads()
        piece = vectors[i]
        total = float32(0)
        for k in range(words):
            total += piece[k]
        out[i] = total

    return read


@cuda.jit
def swizzled_vector_column(x, out):
    """Lane i reads the first four words of row i at once; row r keeps its piece c at place c xor (r mod 8)."""
    tile = cuda.shared.array((32, 8, 4), float32)
    i = cuda.threadIdx.x
    for row in range(32):
        tile[row, (i // 4) ^ (row % 8), i % 4] = x[row, i]
    cuda.syncthreads()
    piece = tile[i, i % 8]
    out[i] = piece[0] + piece[1] + piece[2] + piece[3]


@cuda.jit
def four_words(x, out):
    """Lane i reads the first four words of row i one by one: rows are 33 words apart, too odd for 128 bits."""
    tile = cuda.shared.array((32, 33), float32)
    i = cuda.threadIdx.x
    for row in range(32):
        tile[row, i] = x[row, i]
    cuda.syncthreads()
    out[i] = tile[i, 0] + tile[i, 1] + tile[i, 2] + tile[i, 3]
