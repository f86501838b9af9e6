"""Horner's rule for CUDA: four points a thread, so that the loop's own instructions weigh little."""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import cuda, float32

from lessons.kernels.tools import device

THREADS = 256
POINTS = 4  # per thread, THREADS apart, so that neighbouring threads read neighbouring words


@cache
def kernel() -> Any:
    """Return the CUDA kernel ``(x, out, degree, coefficient)``; it is compiled on its first launch."""

    @cuda.jit
    def evaluate(x, out, degree, coefficient):
        i = cuda.blockIdx.x * (POINTS * THREADS) + cuda.threadIdx.x
        n = x.shape[0]
        # A point beyond the end is evaluated at 0 and not stored: all threads run the same loop.
        x0 = x[i] if i < n else float32(0)
        x1 = x[i + THREADS] if i + THREADS < n else float32(0)
        x2 = x[i + 2 * THREADS] if i + 2 * THREADS < n else float32(0)
        x3 = x[i + 3 * THREADS] if i + 3 * THREADS < n else float32(0)
        c = float32(coefficient)
        p0 = p1 = p2 = p3 = c
        for _ in range(degree):
            p0 = p0 * x0 + c
            p1 = p1 * x1 + c
            p2 = p2 * x2 + c
            p3 = p3 * x3 + c
        if i < n:
            out[i] = p0
        if i + THREADS < n:
            out[i + THREADS] = p1
        if i + 2 * THREADS < n:
            out[i + 2 * THREADS] = p2
        if i + 3 * THREADS < n:
            out[i + 3 * THREADS] = p3

    return evaluate


def horner(x: Any, out: Any, degree: int, coefficient: float, repeats: int) -> None:
    """Enqueue the kernel on CUDA tensors (or device arrays); see ``lessons.kernels.horner``."""
    blocks = -(-x.shape[0] // (POINTS * THREADS))
    for _ in range(repeats):
        device.launch(kernel(), blocks, THREADS, x, out, degree, coefficient)
