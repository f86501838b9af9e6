"""Weights that stay in 4 or 8 bits: packed once, and multiplied with 1 to 16 rows without ever being expanded.

``pack`` brings a quantised matrix into tiles of 16 rows, ``linear`` multiplies it. There are two arithmetics over
the one layout. "float32" keeps the activations and is as accurate as a float32 product with the dequantised
weights. "int8" quantises the activations too, as llama.cpp does, and multiplies whole numbers: faster, less exact,
and on the CPU only. ``Packed.to("cuda")`` brings the weights to a GPU; where they lie decides what runs.

Compiled code that does many products in one call builds on these, all over int64 addresses:

- ``cpu.product(format, rows, arithmetic)``: the ``Product`` of ``lessons.kernels.tools.product``, as C functions.
- ``float32.tile(format, rows)`` and ``int8.tile(format, rows)``: ``tile(weights, prepared, y, blocks, leading)``
  for 16 outputs, inlined where it is called.
- ``float32.prepare`` and ``int8.prepare(format)``: ``prepare(x, prepared, rows, inputs)``, and
  ``prepared_bytes(rows, inputs)`` of both modules for the room it wants.
- ``dequantize.span(format)``: ``span(weights, out, first, last, columns)``, tiles to float32 rows; and
  ``dequantize.row(format)``: ``row(weights, number, out, columns)``, a single one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lessons.kernels.packed.layout import Packed, pack, side_by_side
from lessons.kernels.tools.product import TILE

__all__ = [
    "MAX_ROWS",
    "Packed",
    "expand",
    "linear",
    "lookup",
    "multiplies_bytes",
    "pack",
    "side_by_side",
    "unpack",
]

MAX_ROWS = 16


def linear(
    x: Any, packed: Packed, *, arithmetic: str = "float32", out: Any = None, threads: int | None = None
) -> Any:
    """Return x wᵀ for 1 to 16 rows; the packed weights are read once for all of them.

    Args:
        x: [rows, columns] float32, contiguous; a torch tensor on the weights' device, or a NumPy array on the CPU.
        packed: the weights w [outputs, columns].
        arithmetic: "float32", or on the CPU "int8" to quantise x in blocks of 32 (NF4's code book is then rounded
            to 1/127).
        out: [rows, outputs] float32, contiguous, of x's kind; made when None.
        threads: CPU threads; Numba's current number when None.

    Returns:
        [rows, outputs] float32, an array or tensor as x is.

    Raises:
        ValueError: for shapes, dtypes, a device or an arithmetic that do not fit.

    Source:
        The int8 arithmetic is ggml's (github.com/ggml-org/ggml, ggml_vec_dot_q4_1_q8_1). Its instruction where the
        processor has it: VPDPBUSD, Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
    """
    if len(x.shape) != 2 or not 1 <= x.shape[0] <= MAX_ROWS:
        raise ValueError(
            f"x is {list(x.shape)}; linear takes 1 to {MAX_ROWS} rows: for more, multiply with expand(packed)"
        )
    if x.shape[1] != packed.columns:
        raise ValueError(
            f"x has {x.shape[1]} columns and the weights have {packed.columns}; they must be equal"
        )
    shape = (x.shape[0], packed.rows)
    if out is None:
        out = np.empty(shape, np.float32) if isinstance(x, np.ndarray) else x.new_empty(shape)
    if tuple(out.shape) != shape:
        raise ValueError(f"out is {list(out.shape)}; it must be {list(shape)}")
    for name, array in (("x", x), ("out", out)):
        _check_floats(name, array, packed.device)
    if isinstance(packed.data, np.ndarray):
        from lessons.kernels.packed import cpu

        cpu.linear(x, packed, out, arithmetic, threads)
    elif arithmetic != "float32":
        raise ValueError(
            f'no arithmetic {arithmetic!r} for weights on the device {packed.device}; use "float32" there'
        )
    else:
        from lessons.kernels.packed import cuda

        cuda.linear(x, packed, out)
    return out


def expand(
    packed: Packed,
    first: int = 0,
    last: int | None = None,
    *,
    out: Any = None,
    threads: int | None = None,
) -> Any:
    """Return the weights as float32 [rows, columns], or those of some tiles of 16 rows.

    Args:
        packed: the weights.
        first, last: the first tile and the one after the last; all when left out.
        out: [16 * (last - first), columns] float32, contiguous, where the weights lie; made when None.
        threads: CPU threads; Numba's current number when None.

    Returns:
        A NumPy array for weights in the CPU's memory, else a torch tensor on their device.

    Raises:
        ValueError: when the tiles do not exist or ``out`` does not fit.
    """
    tiles = packed.rows // TILE
    last = tiles if last is None else last
    if not 0 <= first <= last <= tiles:
        raise ValueError(f"there are tiles 0 to {tiles}; cannot expand {first} to {last}")
    shape = ((last - first) * TILE, packed.columns)
    in_numpy = isinstance(packed.data, np.ndarray)
    if out is None:
        out = np.empty(shape, np.float32) if in_numpy else _new_tensor(shape, packed.device)
    if tuple(out.shape) != shape:
        raise ValueError(f"out is {list(out.shape)}; it must be {list(shape)}")
    _check_floats("out", out, packed.device)
    if in_numpy:
        from lessons.kernels.packed import cpu

        cpu.expand(packed, out, first, last, threads)
    else:
        from lessons.kernels.packed import cuda

        cuda.expand(packed, out, first, last)
    return out


def lookup(packed: Packed, numbers: Any) -> Any:
    """Return single rows as float32 [numbers, columns]: what an embedding does.

    Args:
        packed: the weights.
        numbers: int64 [n], a tensor on the weights' device, or for weights in the CPU's memory a NumPy array.

    Returns:
        An array or tensor as ``numbers`` is.

    Raises:
        ValueError: when a row does not exist. (On a GPU that is not looked at: it would have to be waited for.)
    """
    if isinstance(packed.data, np.ndarray):
        from lessons.kernels.packed import cpu

        wanted = np.ascontiguousarray(numbers)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < packed.rows:
            raise ValueError(f"there are rows 0 to {packed.rows - 1}; cannot look up {wanted.tolist()}")
        shape = (len(wanted), packed.columns)
        out = np.empty(shape, np.float32) if isinstance(numbers, np.ndarray) else _new_tensor(shape, "cpu")
        cpu.lookup(packed, wanted, out)
        return out
    import torch

    # What is stored together is expanded together: a tile of 16 rows, of which one is wanted.
    tiles = replace(packed, data=packed.data[numbers // TILE], rows=TILE * len(numbers))
    places = torch.arange(len(numbers), device=numbers.device)
    return expand(tiles).view(len(numbers), TILE, -1)[places, numbers % TILE]


def unpack(packed: Packed) -> Any:
    """Return the dequantised weights as float32 [rows, columns]: what ``pack`` was given, scales as float16."""
    return expand(packed)


def multiplies_bytes() -> bool:
    """Tell whether the target has instructions for products of bytes; without them "float32" is the faster one."""
    from lessons.kernels.packed import int8
    from lessons.kernels.packed.isa import PLAIN, choose

    return choose(int8.ISAS) is not PLAIN


def _new_tensor(shape: tuple[int, ...], device: str) -> Any:
    import torch

    return torch.empty(shape, device=device)


def _check_floats(name: str, array: Any, device: str) -> None:
    is_array = isinstance(array, np.ndarray)
    contiguous = array.flags.c_contiguous if is_array else array.is_contiguous()
    if str(array.dtype) not in ("float32", "torch.float32") or not contiguous:
        raise ValueError(f"{name} must be contiguous float32, got {array.dtype}")
    found = "cpu" if is_array else str(array.device)
    if found != device:
        raise ValueError(f"{name} must be on the device of the weights, {device}, got device {found}")
