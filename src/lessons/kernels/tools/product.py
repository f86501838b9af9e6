"""A matrix product as two C functions, so that one compiled program can use any format of weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TILE = 16  # outputs that a product computes together
# Below this many bytes of weights a second thread costs more than it brings: a parallel call takes microseconds.
PARALLEL_BYTES = 256 * 1024


@dataclass(frozen=True)
class Product:
    """y = x wᵀ for a fixed number of rows, in two steps that threads can share.

    Attributes:
        prepare: C function ``prepare(x, prepared, rows, inputs)``: bring float32 x [rows, inputs] into the form
            that ``span`` wants. Every thread does it for itself.
        span: C function ``span(w, prepared, y, first, last, inputs, leading)``: compute the outputs of the tiles
            from ``first`` to before ``last`` into float32 y [rows, leading]. All arguments are int64, arrays are
            addresses.
        prepared_bytes: ``prepared_bytes(inputs)``: room that ``prepare`` wants for all rows.
    """

    prepare: Any
    span: Any
    prepared_bytes: Callable[[int], int]
