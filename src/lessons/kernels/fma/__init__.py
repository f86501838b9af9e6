"""Peak arithmetic: independent chains of multiply-adds in registers, no memory at all."""

from __future__ import annotations

__all__ = ["FLOP_PER_ROUND", "flop", "fma"]

CHAINS = 12
FLOP_PER_ROUND = 2 * CHAINS  # per vector lane


def fma(dtype: str = "float32", rounds: int = 1 << 16, *, threads: int = 1, device: str = "cpu") -> float:
    """Run ``rounds`` of multiply-adds on 12 independent vectors per thread and return the sum of their lanes.

    Twelve chains hide the latency of the unit (4 to 5 cycles on two ports asks for 8 to 10) and leave AVX-512's
    and AVX2's registers room for the operands.

    Args:
        dtype: "float32" or "float64".
        rounds: turns of the loop.
        threads: CPU threads.
        device: "cpu" or "cuda".

    Raises:
        ValueError: for another dtype.

    Source:
        likwid-bench, kernels ``peakflops_*_fma``; BabelStream leaves this measurement out.
    """
    if dtype not in ("float32", "float64"):
        raise ValueError(f"no peak kernel for dtype {dtype!r}; use float32 or float64")
    if device == "cuda":
        from lessons.kernels.fma import cuda

        return cuda.fma(dtype, rounds)
    from lessons.kernels.fma import cpu

    return cpu.fma(dtype, rounds, threads)


def flop(dtype: str, rounds: int, *, threads: int = 1, device: str = "cpu") -> float:
    """Return the FLOP that one call of ``fma`` does; a multiply-add counts as 2.

    Args:
        dtype, rounds, threads, device: as for ``fma``.
    """
    if device == "cuda":
        from lessons.kernels.fma import cuda

        return cuda.flop(dtype, rounds)
    from lessons.kernels import simd

    lanes = simd.vector_bytes() // (4 if dtype == "float32" else 8)
    return FLOP_PER_ROUND * lanes * rounds * threads
