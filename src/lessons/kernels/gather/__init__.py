"""Gather: loads at random places whose addresses are calculated, so that no load waits for another."""

from __future__ import annotations

import numpy as np

from lessons.kernels.gather.reference import LINE

__all__ = ["LINE", "gather"]


def gather(values: np.ndarray, loads: int, *, seed: int = 0) -> int:
    """Load the first element of ``loads`` random lines and return their exclusive or.

    The counterpart of ``lessons.kernels.chase``: the same traffic, one line a load, and no order among the loads. How
    many of them are in flight at once is the processor's doing alone.

    Args:
        values: 1-D int64, contiguous, from ``lessons.kernels.tools.buffers.aligned``: at most 2^31 lines of 64 bytes.
        loads: how many.
        seed: which places; another one for each call, so that no call finds the lines of the one before.

    Returns:
        The exclusive or of all that was loaded, so that no load can be left out.

    Raises:
        ValueError: for other arrays, fewer than two lines, or no loads.
    """
    lines = values.nbytes // LINE
    if values.dtype != "int64" or values.ndim != 1 or not values.flags.c_contiguous:
        raise ValueError(
            f"gather takes a contiguous int64 array of one dimension, got {values.dtype} of shape {values.shape}; "
            "make one with buffers.aligned"
        )
    if not 2 <= lines < 1 << 31:
        raise ValueError(f"gather takes 2 to 2^31 lines of {LINE} bytes, got {lines}; take another array")
    if loads < 1:
        raise ValueError(f"loads must be at least 1, got {loads}")
    from lessons.kernels.gather import cpu

    return cpu.gather(values, lines, loads, seed)
