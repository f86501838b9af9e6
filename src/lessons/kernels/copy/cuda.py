"""The copy for CUDA: each thread has several words under way."""

from __future__ import annotations

from typing import Any

from numba import cuda, float64

from lessons.kernels.tools import device

WORDS = 4  # per thread, a block apart, so that neighbouring threads move neighbouring words


@cuda.jit
def several(target, source):
    """Copy ``WORDS`` words per thread: all loads first, since a load waits for nothing and a store for its load."""
    first = cuda.blockIdx.x * (WORDS * device.THREADS) + cuda.threadIdx.x
    words = cuda.local.array(WORDS, float64)
    if first + (WORDS - 1) * device.THREADS < source.size:
        for w in range(WORDS):
            words[w] = source[first + w * device.THREADS]
        for w in range(WORDS):
            target[first + w * device.THREADS] = words[w]
    else:
        for i in range(first, source.size, device.THREADS):
            target[i] = source[i]


def copy(target: Any, source: Any) -> None:
    """Queue the copy; see ``lessons.kernels.copy``."""
    blocks = -(-source.shape[0] // (WORDS * device.THREADS))
    device.launch(several, blocks, device.THREADS, target, source)
