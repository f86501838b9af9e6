"""A strided sum as NumPy writes it: the answer that the fast ones must give."""

from __future__ import annotations

import numpy as np


def strided(x: np.ndarray, stride: int) -> float:
    """Return the sum of every ``stride``-th element, added up in float64."""
    return float(x[::stride].sum(dtype="float64"))
