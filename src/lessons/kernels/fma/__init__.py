"""Peak arithmetic: independent chains of multiply-adds in registers, no memory at all."""

from __future__ import annotations

from lessons.kernels.fma.reference import FLOP_PER_ROUND, INT8

__all__ = ["FLOP_PER_ROUND", "flop", "fma"]

CPU_DTYPES = ("float32", "float64", INT8)
CUDA_DTYPES = ("float32", "float64")


def fma(dtype: str = "float32", rounds: int = 1 << 16, *, threads: int = 1, device: str = "cpu") -> float:
    """Run ``rounds`` of multiply-adds on 12 independent vectors per thread and return the sum of their lanes.

    Twelve chains hide the latency of the unit (4 to 5 cycles on two ports asks for 8 to 10) and leave AVX-512's
    and AVX2's registers room for the operands.

    Args:
        dtype: "float32", "float64", or "int8" on the CPU: a lane is then a 32-bit sum to which four products of bytes
            are added, one factor 0 to 15 as a 4-bit weight is, the other any byte.
        rounds: turns of the loop.
        threads: CPU threads.
        device: "cpu" or "cuda".

    Raises:
        ValueError: for another dtype.

    Source:
        likwid-bench, kernels ``peakflops_*_fma``; BabelStream leaves this measurement out. The instruction for bytes,
        where the target has it: VPDPBUSD, see ``lessons.kernels.packed``.
    """
    known = CUDA_DTYPES if device == "cuda" else CPU_DTYPES
    if dtype not in known:
        raise ValueError(f"no peak kernel for dtype {dtype!r} on {device}; use {' or '.join(known)}")
    if device == "cuda":
        from lessons.kernels.fma import cuda

        return cuda.fma(dtype, rounds)
    from lessons.kernels.fma import cpu

    return cpu.fma(dtype, rounds, threads)


def flop(dtype: str, rounds: int, *, threads: int = 1, device: str = "cpu") -> float:
    """Return the FLOP that one call of ``fma`` does, of whole numbers the OP; a multiply-add counts as 2.

    Args:
        dtype, rounds, threads, device: as for ``fma``.
    """
    if device == "cuda":
        from lessons.kernels.fma import cuda

        return cuda.flop(dtype, rounds)
    if dtype == INT8:
        from lessons.kernels.packed import int8

        return FLOP_PER_ROUND * 4 * int8.choose(int8.ISAS).lanes * rounds * threads
    from lessons.kernels.tools import simd

    lanes = simd.vector_bytes() // (4 if dtype == "float32" else 8)
    return FLOP_PER_ROUND * lanes * rounds * threads
