"""The rotation as a product of complex numbers, in float64."""

from __future__ import annotations

import numpy as np


def rotate(x: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Return float64 [n]: the pairs of x, float32 [n], times turns, complex64 [n / 2]."""
    pairs = x.astype(np.float64).view(np.complex128)
    return (pairs * turns.astype(np.complex128)).view(np.float64)
