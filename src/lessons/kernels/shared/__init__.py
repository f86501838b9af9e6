"""Reads of shared memory with a stride between lanes, so many that the banks alone decide how long they take."""

from __future__ import annotations

from typing import Any

from lessons.kernels.shared.reference import BYTES, LOADS

__all__ = ["BYTES", "LOADS", "walk"]


def walk(stride: int, rounds: int, *, blocks: int = 6, threads: int = 256) -> Any:
    """Queue ``rounds`` times ``LOADS`` dependent reads in every thread of the current CUDA device.

    Lane i begins at word ``i * stride`` of a tile of 1,024 words of 32 bits, in which each word names the next. So all
    lanes move on by one word per read, and the conflicts stay those of the stride. 48 warps per multiprocessor hide the
    latency of some 30 cycles, so that the banks are kept busy without a conflict too.

    Args:
        stride: words between neighbouring lanes, 0 to 33: all 32 words are different from 1 on.
        rounds: 1 or more.
        blocks: of each multiprocessor.
        threads: of a block, a multiple of 32.

    Returns:
        uint32 as int32, [multiprocessors * blocks * threads]: the word that each thread reached, on the device.

    Raises:
        ValueError: for a stride, rounds or threads that do not fit.

    Source:
        The tile is a chase as in lat_mem_rd of lmbench; strides over banks as in X. Mei and X. Chu, Dissecting GPU
        Memory Hierarchy through Microbenchmarking (2017).
    """
    if not 0 <= stride <= 33:
        raise ValueError(
            f"stride is {stride}, but must be 0 to 33: a larger one leaves the tile of 1,024 words"
        )
    if rounds < 1 or blocks < 1 or threads < 32 or threads % 32:
        raise ValueError(
            f"rounds and blocks must be at least 1 and threads a multiple of 32, got {rounds}, {blocks}, {threads}"
        )
    from lessons.kernels.shared import cuda

    return cuda.walk(stride, rounds, blocks, threads)
