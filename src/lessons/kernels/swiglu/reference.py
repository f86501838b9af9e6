"""silu(gate) * up in float64."""

from __future__ import annotations

import numpy as np


def swiglu(gate: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Return gate / (1 + exp(-gate)) * up as float64, of any shape; -0 where exp(-gate) is past all numbers."""
    gate = gate.astype(np.float64)
    with np.errstate(over="ignore"):
        return gate / (1 + np.exp(-gate)) * up
