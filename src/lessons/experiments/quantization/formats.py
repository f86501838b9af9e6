"""The formats of the chapter on quantisation: the levels a weight may take, in blocks of any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from lessons.formulas import quantization
from lessons.kernels.fp8.formats import E4M3, E5M2
from lessons.kernels.packed.formats import NF4_BOOK

ABSMAX, SIGNED, RANGE = "absmax", "signed", "range"
CELLS = 1 << 16
# Sums over many quantiles, the same on every machine.
_range_noise, _absmax_noise = cache(quantization.range_noise), cache(quantization.absmax_noise)


def even(low: int, high: int, unit: int) -> tuple[float, ...]:
    """Return the levels low/unit, (low + 1)/unit, ..., high/unit."""
    return tuple(i / unit for i in range(low, high + 1))


def nearest_step(x: np.ndarray, low: int, high: int, unit: int) -> np.ndarray:
    """Round to the nearest of ``even(low, high, unit)``; x is float32."""
    return np.clip(np.rint(x * unit), low, high) / np.float32(unit)


def nearest_level(x: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Round to the nearest of any rising levels; x is float32 within -1 and 1.

    A table of narrow cells is ten times as fast as a search. What lies in one cell with the middle between two
    levels may go to either of them, at the same error to within the cell.
    """
    cells = ((x + 1) * np.float32(CELLS / 2)).astype(np.int32)
    return _cell_levels(levels)[np.minimum(cells, CELLS - 1)]


@cache
def _cell_levels(levels: tuple[float, ...]) -> np.ndarray:
    book = np.array(levels, np.float32)
    middles = (np.arange(CELLS, dtype=np.float32) + 0.5) * (2 / CELLS) - 1
    return book[np.searchsorted((book[1:] + book[:-1]) / 2, middles)].astype(np.float32)


def nearest_float8(x: np.ndarray, format: str, largest: float) -> np.ndarray:
    """Round to the nearest 8-bit float, after scaling so that 1 becomes its largest."""
    from lessons.kernels import fp8

    return fp8.round_trip(x * np.float32(largest), format) / np.float32(largest)


@dataclass(frozen=True)
class Format:
    """A way to round the weights of a block that share a scale.

    Attributes:
        name: as the field calls it.
        bits: of a code.
        levels: what a weight may become, in units of the block's scale.
        nearest: rounds float32 to the nearest level.
        scale: what 1 stands for: "absmax", the block's largest magnitude; "signed", the weight of that magnitude
            with its sign turned, so that it becomes exactly -1; "range", its largest less its smallest weight,
            counted from the smallest.
    """

    name: str
    bits: int
    levels: tuple[float, ...]
    nearest: Callable[[np.ndarray], np.ndarray]
    scale: str = ABSMAX

    def round_trip(self, weights: np.ndarray, block: int) -> np.ndarray:
        """Return float32 weights as they come back from the format; rows must be whole blocks."""
        x = weights.reshape(-1, block)
        low = np.float32(0)
        if self.scale == RANGE:
            low = x.min(axis=1, keepdims=True)
            unit = x.max(axis=1, keepdims=True) - low
        elif self.scale == SIGNED:
            largest = np.abs(x).argmax(axis=1, keepdims=True)
            unit = -np.take_along_axis(x, largest, axis=1)
        else:
            unit = np.abs(x).max(axis=1, keepdims=True)
        unit = np.where(unit == 0, np.float32(1), unit)
        back = self.nearest((x - low) / unit) * unit + low
        return back.reshape(weights.shape)

    def noise(self, block: int) -> float:
        """Return the noise that normal weights should have, as a share of their power."""
        if self.scale == RANGE:
            return _range_noise(len(self.levels), block)
        return _absmax_noise(self.levels, block)

    def bits_per_weight(self, block: int) -> float:
        """Return bits a weight, with a 16-bit scale for each block, and a 16-bit minimum where there is one."""
        return quantization.bits_per_weight(self.bits, block, minimum=16 if self.scale == RANGE else 0)


def _steps(name: str, bits: int, low: int, high: int, unit: int, scale: str = ABSMAX) -> Format:
    nearest = partial(nearest_step, low=low, high=high, unit=unit)
    return Format(name, bits, even(low, high, unit), nearest, scale)


def _float8(kind) -> Format:
    levels = tuple(x / kind.largest for x in kind.levels())
    nearest = partial(nearest_float8, format=kind.name, largest=kind.largest)
    return Format(kind.name, 8, levels, nearest)


FORMATS = {
    format.name: format
    for format in (
        _steps("INT3", 3, -3, 3, 3),
        _steps("INT4", 4, -7, 7, 7),
        _steps("Q4_0", 4, -8, 7, 8, SIGNED),
        _steps("Q4_1", 4, 0, 15, 15, RANGE),
        Format("NF4", 4, NF4_BOOK, partial(nearest_level, levels=NF4_BOOK)),
        _float8(E5M2),
        _float8(E4M3),
        _steps("Q8_0", 8, -127, 127, 127),
    )
}
