"""The product for CUDA: one warp an output, its lanes side by side along the weights, so that loads coalesce."""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import cuda, float32

from lessons.kernels.tools import device

WARP = 32
WARPS = 8  # outputs of one block
THREADS = WARP * WARPS


@cuda.jit(device=True, inline="always")
def sum_by_shuffles(value):
    """Return the sum over a warp, in every lane: five exchanges between registers."""
    step = WARP // 2
    while step > 0:
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, step)
        step //= 2
    return value


@cuda.jit(device=True, inline="always")
def sum_by_memory(value):
    """The same through shared memory, for the simulator, which has no shuffles."""
    parts = cuda.shared.array(THREADS, float32)
    me = cuda.threadIdx.x
    parts[me] = value
    cuda.syncthreads()
    total = float32(0.0)
    first = me // WARP * WARP
    for lane in range(first, first + WARP):
        total += parts[lane]
    cuda.syncthreads()
    return total


@cache
def kernel(rows: int, bfloat16: bool, shuffles: bool = True) -> Any:
    """Return the kernel ``run(x, w, y)`` for [rows, inputs], [outputs, inputs] and [rows, outputs].

    Args:
        rows: known to the compiler, so that each row's sum is a register.
        bfloat16: w holds int32 words of two bfloat16 weights each, the first in the lower half.
        shuffles: sum over a warp by shuffles; else through shared memory.
    """
    warp_sum = sum_by_shuffles if shuffles else sum_by_memory

    @cuda.jit
    def float_weights(x, w, y):
        output = cuda.blockIdx.x * WARPS + cuda.threadIdx.x // WARP
        lane = cuda.threadIdx.x % WARP
        sums = cuda.local.array(rows, float32)
        for r in range(rows):
            sums[r] = float32(0.0)
        if output < w.shape[0]:
            for i in range(lane, w.shape[1], WARP):
                weight = w[output, i]
                for r in range(rows):
                    sums[r] += weight * x[r, i]
        for r in range(rows):
            total = warp_sum(sums[r])
            if lane == 0 and output < w.shape[0]:
                y[r, output] = total

    @cuda.jit
    def bfloat16_weights(x, w, y):
        output = cuda.blockIdx.x * WARPS + cuda.threadIdx.x // WARP
        lane = cuda.threadIdx.x % WARP
        sums = cuda.local.array(rows, float32)
        for r in range(rows):
            sums[r] = float32(0.0)
        if output < w.shape[0]:
            for i in range(lane, w.shape[1], WARP):
                # A bfloat16 is the upper half of a float32.
                pair = w[output, i]
                first = device.as_float(pair << 16)
                second = device.as_float(pair & -65536)
                for r in range(rows):
                    sums[r] += first * x[r, 2 * i] + second * x[r, 2 * i + 1]
        for r in range(rows):
            total = warp_sum(sums[r])
            if lane == 0 and output < w.shape[0]:
                y[r, output] = total

    return bfloat16_weights if bfloat16 else float_weights


def linear(x: Any, w: Any, out: Any) -> None:
    """Queue x wᵀ into ``out``; see ``lessons.kernels.gemv``."""
    import torch
    import torch.nn.functional as F

    bfloat16 = w.dtype == torch.bfloat16
    if bfloat16:
        if w.shape[1] % 2:  # a zero changes no sum; a model's widths are even, so this copy is rare
            x, w = F.pad(x, (0, 1)), F.pad(w, (0, 1))
        w = w.view(torch.int32)
    run = kernel(x.shape[0], bfloat16, not device.SIMULATED)
    device.launch(run, -(-w.shape[0] // WARPS), THREADS, x, w, out)
