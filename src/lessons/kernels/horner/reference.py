"""The same polynomial in float64, as NumPy evaluates it."""

from __future__ import annotations

import numpy as np


def horner(x: np.ndarray, degree: int, coefficient: float = 0.5) -> np.ndarray:
    """Return c + c x + ... + c x^degree as float64, for ``x`` of any shape."""
    return np.polyval(np.full(degree + 1, coefficient), x.astype(np.float64))
