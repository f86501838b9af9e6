"""The STREAM kernels as NumPy writes them: the answer that the fast ones must give."""

from __future__ import annotations

import numpy as np

# Arrays that each kernel reads and writes, in elements moved per element of the result. A normal store adds a
# read of its own line (write-allocate), which STREAM does not count and neither do we.
TRAFFIC = {"read": (1, 0), "copy": (1, 1), "scale": (1, 1), "add": (2, 1), "triad": (2, 1)}


def stream(kind: str, a: np.ndarray, b: np.ndarray, c: np.ndarray, scalar: float) -> float | None:
    """Run one STREAM kernel: copy a = b, scale a = s b, add a = b + c, triad a = b + s c, read sum(b)."""
    if kind == "read":
        return float(b.sum())
    if kind == "copy":
        a[:] = b
    elif kind == "scale":
        np.multiply(b, scalar, out=a)
    elif kind == "add":
        np.add(b, c, out=a)
    else:
        a[:] = b + scalar * c
    return None
