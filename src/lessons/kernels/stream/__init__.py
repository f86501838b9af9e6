"""STREAM: copy, scale, add, triad, and a pure read, on the CPU or a CUDA device."""

from __future__ import annotations

from typing import Any

from lessons.kernels.stream.reference import TRAFFIC

__all__ = ["TRAFFIC", "moved_bytes", "stream"]


def moved_bytes(kind: str, array_bytes: int) -> int:
    """Return the bytes one pass moves by STREAM's rule: each array named in the source, once.

    The read that a normal store makes of its own line (write-allocate) is left out.

    Args:
        kind: "read", "copy", "scale", "add" or "triad".
        array_bytes: bytes of one array.
    """
    reads, writes = TRAFFIC[kind]
    return (reads + writes) * array_bytes


def stream(
    kind: str,
    a: Any,
    b: Any,
    c: Any = None,
    *,
    scalar: float = 3.0,
    nontemporal: bool = False,
    threads: int = 1,
    repeats: int = 1,
) -> float | None:
    """Run one STREAM kernel once: copy a = b, scale a = s b, add a = b + c, triad a = b + s c, read sum(b).

    Args:
        kind: which kernel.
        a, b, c: 1-D float64 arrays of one length, NumPy (CPU) or CUDA tensors; c is b where it is not used.
            On the CPU the bytes must be a multiple of 512 times ``threads``.
        scalar: the factor s.
        nontemporal: CPU only: store past the caches; ``a`` must then start on a 64-byte boundary
            (``lessons.kernels.tools.buffers.aligned``).
        threads: CPU only: threads to run on, as many as Numba has been given at most.
        repeats: passes made inside the compiled code; "read" then returns the sum of all passes.

    Returns:
        The sum for "read", which keeps the reads from being left out; else None.

    Raises:
        ValueError: for an unknown kernel, arrays of different lengths, or a length or address that does not fit.

    Source:
        J. D. McCalpin, STREAM (1995), kernels and counting rule. This is a variant: explicit vectors.
    """
    if kind not in TRAFFIC:
        raise ValueError(f"kind {kind!r} is not a STREAM kernel; use one of {', '.join(TRAFFIC)}")
    c = b if c is None else c
    if not len(a) == len(b) == len(c):
        raise ValueError(f"a, b and c must be of one length, got {len(a)}, {len(b)} and {len(c)}")
    if getattr(b, "is_cuda", False):
        from lessons.kernels.stream import cuda

        return cuda.stream(kind, a, b, c, scalar, repeats)
    from lessons.kernels.stream import cpu

    if any(x.dtype != "float64" or not x.flags.c_contiguous for x in (a, b, c)):
        raise ValueError("stream takes contiguous float64 arrays; make copies with numpy.ascontiguousarray")
    if b.nbytes % (cpu.STEP * threads):
        raise ValueError(
            f"{b.nbytes} bytes is not a multiple of {cpu.STEP} times {threads} threads; round it down"
        )
    if nontemporal and a.ctypes.data % 64:
        raise ValueError("non-temporal stores need a 64-byte boundary; make the array with buffers.aligned")
    return cpu.stream(kind, a, b, c, scalar, nontemporal, threads, repeats)
