"""The four-bit format Q4_0, as llama.cpp stores it: write ``quantize`` and ``dequantize``.

Run the test with ``.venv/bin/python -m pytest exercises/quantization`` until it passes.
"""

from __future__ import annotations

import numpy as np

BLOCK = 32  # weights that share a scale


def quantize(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scales and the packed codes of Q4_0.

    In each block of 32 weights, find the weight of largest magnitude and keep its sign. The scale is that weight over
    -8, in float16, so that it gets the code -8. Each weight becomes the whole number nearest to weight / scale, no less
    than -8 and no more than 7. Add 8, so that codes run from 0 to 15, and pack two into each byte: byte i of a block
    holds code i in its lower four bits and code i + 16 in its upper four. A block of zeros has a scale of 0, and comes
    back as zeros.

    Args:
        weights: [n], float32; n is a multiple of 32.

    Returns:
        Scales [n / 32], float16, and codes [n / 32, 16], uint8.

    Raises:
        ValueError: when n is no multiple of 32.
    """
    if len(weights) % BLOCK:
        raise ValueError(f"{len(weights)} weights are no multiple of {BLOCK}")
    x = weights.reshape(-1, BLOCK)
    largest = np.take_along_axis(x, np.abs(x).argmax(axis=1)[:, None], axis=1)
    scales = (largest / -8).astype(np.float16)
    step = scales.astype(np.float32)
    # A block of zeros, or of numbers too small for float16, has no step to divide by.
    steps = np.divide(x, step, out=np.zeros_like(x), where=step != 0)
    codes = (np.clip(np.rint(steps), -8, 7) + 8).astype(np.uint8)
    return scales[:, 0], codes[:, :16] | codes[:, 16:] << 4


def dequantize(scales: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the weights, [n] float32, that scales and codes stand for: (code - 8) times the scale of the block."""
    both = np.concatenate([codes & 15, codes >> 4], axis=1).astype(np.float32) - 8
    return (both * scales.astype(np.float32)[:, None]).reshape(-1)
