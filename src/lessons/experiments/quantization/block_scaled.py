"""Formats that matrix units multiply: four-bit floats in small blocks, each block with a scale of eight bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lessons.formulas import quantization
from lessons.kernels import fp8

# E2M1: one bit of sign, two of exponent, one of mantissa.
MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
LEVELS = (*(-x for x in reversed(MAGNITUDES[1:])), *MAGNITUDES)
LARGEST, LARGEST_POWER = 6.0, 4.0
MIDDLES = np.array([(a + b) / 2 for a, b in pairwise(LEVELS)], np.float32)


def nearest(x: np.ndarray) -> np.ndarray:
    """Round float32 to the nearest number of E2M1; what is larger than 6 becomes 6."""
    return np.array(LEVELS, np.float32)[np.searchsorted(MIDDLES, x)]


@dataclass(frozen=True)
class BlockScaled:
    """A format of E2M1 codes.

    Attributes:
        name: as the field calls it.
        block: weights that share a scale.
        scale: the scale's own format.
        scales: takes the largest magnitudes of the blocks, float32 [blocks, 1], and returns their scales.
        noise: of normal weights by the closed form, as a share of their power.
    """

    name: str
    block: int
    scale: str
    scales: Callable[[np.ndarray], np.ndarray]
    noise: float

    @property
    def bits_per_weight(self) -> float:
        """Bits of a weight with its share of the scale; one more scale for the whole matrix is not counted."""
        return quantization.bits_per_weight(4, self.block, scale=8)

    def round_trip(self, weights: np.ndarray) -> np.ndarray:
        """Return float32 weights as they come back from the format; rows must be whole blocks.

        Args:
            weights: [rows, columns], float32.
        """
        x = weights.reshape(-1, self.block)
        scale = self.scales(np.abs(x).max(axis=1, keepdims=True))
        scale = np.where(scale == 0, np.float32(1), scale)
        return (nearest(x / scale) * scale).reshape(weights.shape)


def power_of_two(largest: np.ndarray) -> np.ndarray:
    """Return the scales of MXFP4 (E8M0): powers of two that put the largest weight between 4 and 8.

    Source: rouhani2023mx, algorithm 1.
    """
    exponents = np.floor(np.log2(np.where(largest == 0, np.float32(1), largest)))
    return np.where(largest == 0, 0, np.exp2(exponents) / LARGEST_POWER).astype(np.float32)


def two_levels(largest: np.ndarray) -> np.ndarray:
    """Return the scales of NVFP4: an 8-bit float (E4M3) for each block, times one float32 for the whole matrix.

    Source: nvidia2025nvfp4.
    """
    whole = np.float32(largest.max() / (LARGEST * fp8.E4M3.largest)) or np.float32(1)
    return fp8.round_trip((largest / (LARGEST * whole)).astype(np.float32), "E4M3") * whole


MXFP4 = BlockScaled(
    "MXFP4", 32, "E8M0", power_of_two, quantization.power_of_two_noise(LEVELS, LARGEST_POWER, 32)
)
# The closed form takes the scale to be exact: rounding it to eight bits adds a little.
NVFP4 = BlockScaled(
    "NVFP4", 16, "E4M3", two_levels, quantization.absmax_noise([x / LARGEST for x in LEVELS], 16)
)
