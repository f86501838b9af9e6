"""The two 8-bit floats, bit by bit: what each of the 256 codes means, and which one a number becomes.

No processor is needed that has them. ``encode`` rounds to the nearest code, a tie to the even one, as hardware does.
"""

from __future__ import annotations

import numpy as np

from lessons.kernels.fp8.formats import E4M3, E5M2, Float8, find

__all__ = ["E4M3", "E5M2", "Float8", "decode", "encode", "round_trip"]


def encode(x: np.ndarray, format: str = "E4M3", *, saturate: bool = True) -> np.ndarray:
    """Return the codes nearest to ``x``.

    Args:
        x: float32, any shape.
        format: "E4M3" or "E5M2".
        saturate: what is too large becomes the largest number. Without it, it becomes infinity (E5M2) or NaN
            (E4M3, which has no infinity).

    Returns:
        uint8 of x's shape.

    Raises:
        ValueError: for another format or dtype.

    Source: micikevicius2022fp8, section 3.
    """
    from lessons.kernels.fp8 import cpu

    kind = find(format)
    if x.dtype != np.float32:
        raise ValueError(f"x is {x.dtype}; encode takes float32: convert it first")
    flat = np.ascontiguousarray(x).reshape(-1)
    return cpu.encode(flat, kind, saturate).reshape(x.shape)


def decode(codes: np.ndarray, format: str = "E4M3") -> np.ndarray:
    """Return the float32 numbers that ``codes``, uint8 of any shape, stand for.

    Raises:
        ValueError: for another format or dtype.
    """
    kind = find(format)
    if codes.dtype != np.uint8:
        raise ValueError(f"codes are {codes.dtype}; decode takes uint8")
    return np.array([kind.value(code) for code in range(256)], np.float32)[codes]


def round_trip(x: np.ndarray, format: str = "E4M3") -> np.ndarray:
    """Return ``x`` as it comes back from the format, saturated: float32 of the same shape."""
    return decode(encode(x, format), format)
