"""Packed products over whole matrices: spans of tiles, threads, and the form other compiled code calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np
from numba import get_num_threads, prange, types

from lessons.kernels.packed import dequantize, float32, int8
from lessons.kernels.packed.formats import BLOCK, find
from lessons.kernels.packed.layout import Packed
from lessons.kernels.tools.buffers import aligned
from lessons.kernels.tools.jit import cfunc, njit
from lessons.kernels.tools.product import PARALLEL_BYTES, TILE, Product

word = types.int64


def _arithmetic(name: str, format: str) -> tuple[ModuleType, Callable]:
    """Return the arithmetic's module and its compiled ``prepare``."""
    if name == "float32":
        return float32, float32.prepare
    if name == "int8":
        return int8, int8.prepare(format)
    raise ValueError(f'no arithmetic {name!r}; use "float32" or "int8"')


@cache
def span(format: str, rows: int, arithmetic: str, isa: str | None = None) -> Callable:
    """Return the compiled ``span(w, prepared, y, first, last, inputs, leading)``; see ``product.Product``."""
    module, _ = _arithmetic(arithmetic, format)
    tile, block_bytes = module.tile(format, rows, isa), find(format).block_bytes

    @njit(types.void(*[word] * 7), nogil=True)
    def run(w, prepared, y, first, last, inputs, leading):
        blocks = inputs // BLOCK
        for t in range(first, last):
            tile(w + t * blocks * block_bytes, prepared, y + t * TILE * 4, blocks, leading)

    return run


@cache
def _parallel(format: str, rows: int, arithmetic: str) -> Callable:
    """Return ``span`` over all tiles, shared among threads."""
    run = span(format, rows, arithmetic)

    @njit(types.void(*[word] * 6), nogil=True, parallel=True)
    def parallel(w, prepared, y, tiles, inputs, threads):
        for t in prange(threads):
            me = np.int64(t)
            run(w, prepared, y, me * tiles // threads, (me + 1) * tiles // threads, inputs, tiles * TILE)

    return parallel


@cache
def product(format: str, rows: int, arithmetic: str) -> Product:
    """Return the product for other compiled code: y = x wᵀ for ``rows`` rows and weights of one format.

    Args:
        format: "Q4_1", "Q4_0", "NF4" or "Q8_0".
        rows: 1 to 16.
        arithmetic: "float32" or "int8".
    """
    module, prepare_rows = _arithmetic(arithmetic, format)
    run = span(format, rows, arithmetic)

    @cfunc(types.void(word, word, word, word))
    def prepare(x, prepared, rows, inputs):
        prepare_rows(x, prepared, rows, inputs)

    @cfunc(types.void(*[word] * 7))
    def tiles(w, prepared, y, first, last, inputs, leading):
        run(w, prepared, y, first, last, inputs, leading)

    return Product(prepare, tiles, partial(module.prepared_bytes, rows))


def linear(x: Any, packed: Packed, out: Any, arithmetic: str, threads: int | None) -> None:
    """Write x wᵀ into ``out``, both C-contiguous float32; see ``lessons.kernels.packed``."""
    rows, inputs = x.shape
    module, prepare = _arithmetic(arithmetic, packed.format)
    prepared = aligned(module.prepared_bytes(rows, inputs), "uint8", fill=None)
    at = prepared.ctypes.data
    prepare(_address(x), at, rows, inputs)
    tiles, threads = packed.rows // TILE, threads or get_num_threads()
    if threads == 1 or packed.nbytes < PARALLEL_BYTES:
        run = span(packed.format, rows, arithmetic)
        run(packed.address, at, _address(out), 0, tiles, inputs, packed.rows)
    else:
        run = _parallel(packed.format, rows, arithmetic)
        run(packed.address, at, _address(out), tiles, inputs, threads)


@cache
def _parallel_expand(format: str) -> Callable:
    run = dequantize.span(format)

    @njit(types.void(*[word] * 6), nogil=True, parallel=True)
    def parallel(w, out, first, last, columns, threads):
        for t in prange(threads):
            me, tiles = np.int64(t), last - first
            mine, end = me * tiles // threads, (me + 1) * tiles // threads
            run(w, out + mine * TILE * columns * 4, first + mine, first + end, columns)

    return parallel


def expand(packed: Packed, out: Any, first: int, last: int, threads: int | None) -> None:
    """Write the tiles from ``first`` to before ``last`` as float32 rows into ``out``."""
    threads = threads or get_num_threads()
    if threads == 1 or (last - first) * packed.data[0].nbytes < PARALLEL_BYTES:
        dequantize.span(packed.format)(packed.address, _address(out), first, last, packed.columns)
    else:
        run = _parallel_expand(packed.format)
        run(packed.address, _address(out), first, last, packed.columns, threads)


@cache
def row(format: str) -> Any:
    """Return the C function ``row(w, number, out, columns)``, which writes one row as float32."""
    expand_row = dequantize.row(format)

    @cfunc(types.void(word, word, word, word))
    def run(w, number, out, columns):
        expand_row(w, number, out, columns)

    return run


@cache
def _rows(format: str) -> Callable:
    expand_row = dequantize.row(format)

    @njit(types.void(word, types.int64[::1], word, word), nogil=True)
    def run(w, numbers, out, columns):
        for i in range(len(numbers)):
            expand_row(w, numbers[i], out + i * columns * 4, columns)

    return run


def lookup(packed: Packed, numbers: np.ndarray, out: Any) -> None:
    """Write the rows that int64 ``numbers`` name into ``out``; see ``lessons.kernels.packed``."""
    _rows(packed.format)(packed.address, numbers, _address(out), packed.columns)


def _address(array: Any) -> int:
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data_ptr()
