"""The packed products in NumPy: what the fast kernels are checked against."""

from __future__ import annotations

import numpy as np

from lessons.kernels.packed.formats import BLOCK, NF4_BOOK, find
from lessons.kernels.packed.layout import Packed
from lessons.kernels.tools.product import TILE

INT8_NF4_BOOK = tuple(round(127 * value) for value in NF4_BOOK)  # the code book of the int8 arithmetic


def parts(packed: Packed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the stored codes [rows, blocks, 32] as int32, scales and minima [rows, blocks] as float32.

    A format without minima has zeros.
    """
    kind = find(packed.format)
    tiles, blocks = packed.rows // TILE, packed.columns // BLOCK
    stored = packed.data[:, :, : kind.scales_at].reshape(tiles, blocks, kind.words, TILE, 4)
    if kind.bits == 4:
        stored = np.concatenate([stored & 15, stored >> 4], axis=2)
    codes = stored.transpose(0, 3, 1, 2, 4).reshape(packed.rows, blocks, BLOCK).astype(np.int32)
    halves = np.ascontiguousarray(packed.data[:, :, kind.scales_at :]).view("<f2").astype(np.float32)
    halves = halves.reshape(tiles, blocks, 1 + kind.minimum, TILE).transpose(2, 0, 3, 1)
    scales, *minima = halves.reshape(-1, packed.rows, blocks)
    return codes, scales, minima[0] if minima else np.zeros_like(scales)


def dequantize(packed: Packed) -> np.ndarray:
    """Return the weights as float32 [rows, columns]."""
    kind = find(packed.format)
    codes, scales, minima = parts(packed)
    if kind.book:
        values = np.array(kind.book, np.float32)[codes]
    else:
        values = np.float32(codes if kind.minimum else codes - kind.centre)
    return (scales[..., None] * values + minima[..., None]).reshape(packed.rows, packed.columns)


def linear(x: np.ndarray, packed: Packed) -> np.ndarray:
    """Return x wᵀ in float64 for x [m, columns]."""
    return x.astype(np.float64) @ dequantize(packed).astype(np.float64).T


def quantize(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x [m, columns] in blocks of 32: int8 codes [m, blocks, 32] as int32 and float32 scales [m, blocks].

    The largest magnitude of a block becomes 127. Unlike ggml's Q8_1 the scales stay float32.
    """
    blocks = x.reshape(x.shape[0], -1, BLOCK)
    largest = np.abs(blocks).max(axis=2)
    inverse = np.divide(np.float32(127), largest, out=np.zeros_like(largest), where=largest > 0)
    return np.rint(blocks * inverse[..., None]).astype(np.int32), largest / np.float32(127)


def linear_int8(x: np.ndarray, packed: Packed) -> np.ndarray:
    """Return what the int8 arithmetic means, with whole-number products and float64 sums over the blocks."""
    kind = find(packed.format)
    codes, scales, minima = (part.astype(np.float64) for part in parts(packed))
    if kind.book:
        codes, scales = np.array(INT8_NF4_BOOK, np.float64)[codes.astype(int)], scales / 127
    elif not kind.minimum:
        codes = codes - kind.centre
    q, steps = (part.astype(np.float64) for part in quantize(x))
    products = np.einsum("mbi,nbi->mnb", q, codes)
    sums = q.sum(axis=2)  # of the quantised activations, so that their rounding meets the whole weight
    return np.einsum("mb,nb,mnb->mn", steps, scales, products) + np.einsum(
        "mb,mb,nb->mn", steps, sums, minima
    )
