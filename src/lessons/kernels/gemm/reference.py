"""The product in float64: what the fast kernels are checked against."""

from __future__ import annotations

import numpy as np


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a b as float64 for a [m, k] and b [k, n]."""
    return a.astype(np.float64) @ b.astype(np.float64)
