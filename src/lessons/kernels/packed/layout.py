"""A matrix in tiles of 16 rows, block after block along the columns, as the instructions want it.

One block of a tile holds 16 rows by 32 columns: first the codes, as 4 (4-bit) or 8 (8-bit) vectors of sixteen 32-bit
words, a word for each row; then 16 float16 scales; then, if the format has them, 16 float16 minima.

- 4-bit: byte b of word j holds column 4j + b in its low nibble and column 16 + 4j + b in its high one.
- 8-bit: byte b of word j holds column 4j + b, as code + 128: the instruction wants one unsigned factor.

A row is a lane of the vectors, so that no lanes have to be added up in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lessons.kernels.packed.formats import BLOCK, Format, find
from lessons.kernels.tools.buffers import PAGE, aligned
from lessons.kernels.tools.product import TILE


@dataclass(frozen=True, eq=False)
class Packed:
    """A weight matrix in packed tiles.

    Attributes:
        data: uint8 [tiles, blocks, bytes of a block]: in the CPU's memory a NumPy array on a page boundary, on
            another device a torch tensor.
        rows: outputs, a multiple of 16.
        columns: inputs, a multiple of 32.
        format: "Q4_1", "Q4_0", "NF4" or "Q8_0".
    """

    data: Any
    rows: int
    columns: int
    format: str

    @property
    def nbytes(self) -> int:
        """Bytes of the codes, scales and minima."""
        return self.data.nbytes

    @property
    def address(self) -> int:
        """Address of the first byte in the CPU's memory, for compiled code."""
        return self.data.ctypes.data

    @property
    def device(self) -> str:
        """Where the data lies: "cpu", or a torch device such as "cuda:0"."""
        return "cpu" if isinstance(self.data, np.ndarray) else str(self.data.device)

    def to(self, device: Any) -> Packed:
        """Return the same weights on another device.

        Args:
            device: "cpu" or "cuda", or any other name of a torch device, or the device itself.
        """
        import torch

        if torch.device(device).type != "cpu":
            return replace(self, data=torch.as_tensor(self.data).to(device))
        if isinstance(self.data, np.ndarray):
            return self
        data = aligned(tuple(self.data.shape), "uint8", fill=None)
        data[:] = self.data.cpu().numpy()
        return replace(self, data=data)


def side_by_side(matrices: Sequence[Packed]) -> list[Packed]:
    """Return matrices in the CPU's memory in one piece of memory, in this order, each from a page boundary on.

    A piece of some MB lies in huge pages, for which NumPy asks, and a matrix of some hundred kB by itself does not.
    Each small page costs a look-up, through two tables on a virtual machine: a fifth of a token's time (Zen 4).
    """
    sizes = [-(-matrix.nbytes // PAGE) * PAGE for matrix in matrices]
    memory = aligned(sum(sizes), "uint8", fill=None)
    moved, at = [], 0
    for matrix, size in zip(matrices, sizes):
        data = memory[at : at + matrix.nbytes].reshape(matrix.data.shape)
        data[:] = matrix.data
        moved.append(replace(matrix, data=data))
        at += size
    return moved


def pack(codes: np.ndarray, scales: np.ndarray, minima: np.ndarray | None = None, *, format: str) -> Packed:
    """Pack a quantised matrix.

    Args:
        codes: [rows, columns] whole numbers; 0 to 15 for the 4-bit formats, -128 to 127 for "Q8_0".
        scales: [rows, columns / 32], stored as float16.
        minima: the same, for "Q4_1" only.
        format: "Q4_1", "Q4_0", "NF4" or "Q8_0".

    Raises:
        ValueError: for an unknown format, shapes that do not fit, codes out of range, or a scale or minimum that
            float16 cannot hold.
    """
    kind = find(format)
    _check(kind, codes, scales, minima)
    rows, columns = codes.shape
    tiles, blocks = rows // TILE, columns // BLOCK
    data = aligned((tiles, blocks, kind.block_bytes), "uint8", fill=None)
    words = data[:, :, : kind.scales_at].reshape(tiles, blocks, kind.words, TILE, 4)
    if kind.bits == 4:
        halves = codes.astype(np.uint8).reshape(tiles, TILE, blocks, 2, 4, 4)
        stored = halves[:, :, :, 0] | halves[:, :, :, 1] << 4
    else:
        stored = (codes.astype(np.int8).view(np.uint8) ^ 128).reshape(tiles, TILE, blocks, 8, 4)
    words[:] = stored.transpose(0, 2, 3, 1, 4)
    data[:, :, : kind.scales_at] = words.reshape(tiles, blocks, kind.scales_at)
    for at, values in enumerate([scales, minima] if minima is not None else [scales]):
        first = kind.scales_at + at * 2 * TILE
        halves = np.ascontiguousarray(_half(values).reshape(tiles, TILE, blocks).transpose(0, 2, 1))
        data[:, :, first : first + 2 * TILE] = halves.view(np.uint8)
    return Packed(data, rows, columns, kind.name)


def _half(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what float16 cannot hold is found by the check
        return np.asarray(values).astype("<f2")


def _check(kind: Format, codes: np.ndarray, scales: np.ndarray, minima: np.ndarray | None) -> None:
    if codes.ndim != 2 or codes.shape[0] % TILE or codes.shape[1] % BLOCK or not codes.size:
        raise ValueError(
            f"codes are {list(codes.shape)}; pack takes [rows, columns] with rows a multiple of {TILE} and columns "
            f"a multiple of {BLOCK}: pad with zeros"
        )
    least, most = (0, 15) if kind.bits == 4 else (-128, 127)
    if codes.min() < least or codes.max() > most:
        raise ValueError(
            f"codes reach from {codes.min()} to {codes.max()}; {kind.name} holds {least} to {most}"
        )
    if (minima is not None) != kind.minimum:
        raise ValueError(
            f"{kind.name} has {'a minimum for each block: give' if kind.minimum else 'no'} minima"
        )
    shape = (codes.shape[0], codes.shape[1] // BLOCK)
    for name, values in (("scales", scales), ("minima", minima)):
        if values is None:
            continue
        if values.shape != shape:
            raise ValueError(f"{name} are {list(values.shape)}; codes {list(codes.shape)} need {list(shape)}")
        if not np.isfinite(_half(values)).all():
            raise ValueError(
                f"{name} must be finite float16, at most 65504; the largest is {np.abs(values).max()}"
            )
