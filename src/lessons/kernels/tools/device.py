"""What every CUDA kernel here needs: a launch on torch's stream with torch's tensors, and a sum over a block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import config, cuda, float64, int32

# A chase is one thread on purpose, and Numba would warn of it on each launch.
config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # type: ignore[attr-defined]

SIMULATED = bool(config.ENABLE_CUDASIM)  # type: ignore[attr-defined]
THREADS = 256


def launch(kernel: Any, blocks: int | tuple[int, ...], threads: int, *args: Any) -> None:
    """Queue ``kernel`` on torch's current stream, so that its events and its other work stay in order.

    Args:
        kernel: compiled by ``numba.cuda.jit``.
        blocks, threads: the grid (one number, or up to three) and the threads of a block.
        args: torch tensors, passed without a copy through ``__cuda_array_interface__``, or numbers. Numba's
            simulator takes tensors of the CPU.
    """
    kernel[blocks, threads, _stream()](*(_view(arg) for arg in args))


def processors() -> int:
    """Return the streaming multiprocessors of the current device; 1 in the simulator."""
    if SIMULATED:
        return 1
    import torch

    return torch.cuda.get_device_properties(torch.cuda.current_device()).multi_processor_count


def _stream() -> Any:
    if SIMULATED:
        return 0
    import torch

    return cuda.external_stream(torch.cuda.current_stream().cuda_stream)


def _view(arg: Any) -> Any:
    if not hasattr(arg, "detach"):
        return arg
    is_there = arg.is_cuda and not SIMULATED
    return cuda.as_cuda_array(arg.detach()) if is_there else arg.detach().numpy()


# Inlined before Numba types the kernel: a device function of its own would ask a real device for its type.
@cuda.jit(device=True, inline="always")
def block_sum(value):
    """Return the sum of ``value`` over the ``THREADS`` threads of a block, in thread 0; no warp operations."""
    parts = cuda.shared.array(THREADS, float64)
    me = cuda.threadIdx.x
    parts[me] = value
    cuda.syncthreads()
    half = THREADS // 2
    while half > 0:
        if me < half:
            parts[me] += parts[me + half]
        cuda.syncthreads()
        half //= 2
    return parts[0]


if SIMULATED:

    def as_float(bits):
        """Return the float32 with these 32 bits, as the simulator can say it."""
        return np.uint32(int(bits) & 0xFFFFFFFF).view(np.float32)

else:

    @cuda.jit(device=True, inline="always")
    def as_float(bits):
        """Return the float32 with the lower 32 bits of ``bits``."""
        return cuda.libdevice.int_as_float(int32(bits))
