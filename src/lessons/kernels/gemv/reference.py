"""The product in float64: what the fast kernels are checked against."""

from __future__ import annotations

import numpy as np


def linear(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return x wᵀ as float64 for x [rows, inputs] and w [outputs, inputs]."""
    return x.astype(np.float64) @ w.astype(np.float64).T
