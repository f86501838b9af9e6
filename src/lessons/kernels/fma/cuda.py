"""The peak loop for CUDA: twelve chains a thread, which the compiler keeps in registers."""

from __future__ import annotations

from typing import Any

from numba import cuda, float32, float64

from lessons.kernels.fma.reference import CHAINS, FLOP_PER_ROUND
from lessons.kernels.tools import device

# Two thousand threads fill a multiprocessor on every card since 2020, or leave it one round short.
BLOCKS_PER_PROCESSOR = 8


def _kernel(number):
    @cuda.jit
    def chains(rounds, factor, addend, sums):
        x = cuda.local.array(CHAINS, number)
        for i in range(CHAINS):
            x[i] = number(1.0 + i / 1024)
        for _ in range(rounds):
            for i in range(CHAINS):
                x[i] = x[i] * factor + addend
        total = number(0.0)
        for i in range(CHAINS):
            total += x[i]
        # Every thread's chains must reach memory, or the compiler would drop them.
        block = device.block_sum(total)
        if cuda.threadIdx.x == 0:
            sums[cuda.blockIdx.x] = block

    return chains


KERNELS = {"float32": _kernel(float32), "float64": _kernel(float64)}


def fma(dtype: str, rounds: int) -> Any:
    """Queue the loop on the current device; see ``lessons.kernels.fma``.

    Returns:
        The sum as a tensor of no dimensions, still on the device.
    """
    import numpy as np
    import torch

    blocks = BLOCKS_PER_PROCESSOR * device.processors()
    sums = torch.empty(blocks, dtype=torch.float64, device="cpu" if device.SIMULATED else "cuda")
    # The operands are passed in with the chains' own type, or the compiler would work in float64.
    half = np.dtype(dtype).type(0.5)
    device.launch(KERNELS[dtype], blocks, device.THREADS, rounds, half, half, sums)
    return sums.sum()


def flop(dtype: str, rounds: int) -> float:
    """Return the FLOP of one call on the current device."""
    return FLOP_PER_ROUND * rounds * device.THREADS * BLOCKS_PER_PROCESSOR * device.processors()
