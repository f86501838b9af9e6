"""The product of activations and a weight matrix: the one place that knows how weights may be stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from lessons.kernels import gemv, packed
from lessons.kernels.packed import Packed
from lessons.kernels.tools.product import Product


@dataclass(frozen=True)
class PackedMatrix:
    """A weight matrix [n, k] that stays in its 4 or 8 bits.

    Attributes:
        packed: the weights.
        arithmetic: of products with few rows, "float32", or on the CPU "int8"; see ``lessons.kernels.packed``.
    """

    packed: Packed
    arithmetic: str = "float32"

    @property
    def shape(self) -> tuple[int, int]:
        return self.packed.rows, self.packed.columns

    @property
    def nbytes(self) -> int:
        """Bytes that a product reads."""
        return self.packed.nbytes


Weights = torch.Tensor | PackedMatrix


def linear(x: torch.Tensor, w: Weights) -> torch.Tensor:
    """Return ``x @ w.T`` as float32.

    A few rows wait for memory: our kernels then read each weight once for all of them. Many rows are arithmetic,
    which is what a library's matrix product of floats is good at; packed weights are expanded for it, matrix by
    matrix. (The compiled pass multiplies whole numbers there, see ``fast_for_many``.)

    Args:
        x: float32 [m, k].
        w: [n, k]: float32, bfloat16 or packed.

    Returns:
        float32 [m, n]. With bfloat16 weights and few rows on the CPU nothing else is rounded; otherwise
        torch rounds x and the result to bfloat16.
    """
    few = x.shape[0] <= max_rows(w)
    if isinstance(w, PackedMatrix):
        if few:
            return packed.linear(x.contiguous(), w.packed, arithmetic=w.arithmetic)
        return x @ torch.as_tensor(packed.expand(w.packed)).T
    if few and x.device.type == "cpu":
        return gemv.linear(x, w)
    if w.dtype == torch.float32:
        return x @ w.T
    return (x.to(w.dtype) @ w.T).float()


def lookup(w: Weights, tokens: torch.Tensor) -> torch.Tensor:
    """Return the rows ``tokens`` of a matrix as float32 [tokens, k].

    Args:
        w: [n, k].
        tokens: int64, on the matrix's device.
    """
    if isinstance(w, torch.Tensor):
        return w[tokens].float()
    return packed.lookup(w.packed, tokens)


def product(w: Weights, rows: int) -> Product:
    """Return the product with weights of this kind for compiled code, for a fixed number of rows."""
    if isinstance(w, PackedMatrix):
        from lessons.kernels.packed import cpu

        return cpu.product(w.packed.format, rows, w.arithmetic)
    from lessons.kernels.gemv import cpu as gemv_cpu

    return gemv_cpu.product(rows, w.dtype == torch.bfloat16)


def row(w: Weights) -> Any:
    """Return the C function ``row(w, number, out, columns)`` that writes a row as float32, for compiled code."""
    if isinstance(w, PackedMatrix):
        from lessons.kernels.packed import cpu

        return cpu.row(w.packed.format)
    from lessons.kernels.gemv import cpu as gemv_cpu

    return gemv_cpu.row(w.dtype == torch.bfloat16)


def max_rows(w: Weights) -> int:
    """Return the most rows that ``product`` takes."""
    return packed.MAX_ROWS if isinstance(w, PackedMatrix) else gemv.MAX_ROWS


def fast_for_many(w: Weights) -> bool:
    """Tell whether many rows, 16 at a time, are faster with ``product`` than with torch's product of floats."""
    return isinstance(w, PackedMatrix) and w.arithmetic == "int8" and packed.multiplies_bytes()


def kind(w: Weights) -> tuple[Any, ...]:
    """Return what must be equal for two matrices to go through the same ``product``."""
    return (w.packed.format, w.arithmetic) if isinstance(w, PackedMatrix) else (w.dtype,)


def address(w: Weights) -> int:
    """Return where the weights lie."""
    return w.packed.address if isinstance(w, PackedMatrix) else w.data_ptr()
