"""Transpose a float32 matrix: the same bytes read and written whatever the order, and not the same time."""

from __future__ import annotations

from typing import Any

__all__ = ["CPU", "CUDA", "transpose"]

CPU = ("naive", "blocked")
CUDA = ("naive", "tiled", "padded", "swizzled")
LINE = 64  # bytes: what a store past the caches must fill


def transpose(way: str, x: Any, out: Any, *, nontemporal: bool = False) -> None:
    """Write out[j, i] = x[i, j].

    Args:
        way: on the CPU "naive" (x by rows, so that ``out`` is written down its columns) or "blocked" (squares whose
            cache lines are used whole, turned in registers). On CUDA "naive", or by tiles in shared memory: "tiled"
            with rows of 32 words, so that a column lies in one bank, "padded" with rows of 33, "swizzled" with rows
            of 32 whose places are exchanged by XOR.
        x: [rows, columns] float32, NumPy or a CUDA tensor. The elements of a row lie side by side, and the rows may
            be any number of elements apart.
        out: [columns, rows] float32 on the same device, laid out likewise.
        nontemporal: CPU and "blocked" only: store past the caches. Each row of ``out`` must begin on a 64-byte boundary
            (``lessons.kernels.tools.buffers.aligned``).

    Raises:
        ValueError: for an unknown way, and shapes, dtypes or addresses that do not fit.

    Source:
        Drepper (2007), section 6.2.1, for blocking by cache lines; G. Ruetsch and P. Micikevicius, Optimizing Matrix
        Transpose in CUDA (2009), for the tile and its padding.
    """
    is_cuda = bool(getattr(x, "is_cuda", False))
    ways = CUDA if is_cuda else CPU
    if way not in ways:
        raise ValueError(f"way {way!r} is none of {', '.join(ways)}, which this device has")
    if x.ndim != 2 or tuple(out.shape) != tuple(x.shape)[::-1]:
        raise ValueError(
            f"out must have the shape of x turned round, got {tuple(x.shape)} and {tuple(out.shape)}"
        )
    if any(str(a.dtype).removeprefix("torch.") != "float32" for a in (x, out)):
        raise ValueError(f"transpose takes float32, got {x.dtype} and {out.dtype}")
    if is_cuda:
        from lessons.kernels.transpose import cuda

        cuda.transpose(way, x, out)
        return
    from lessons.kernels.transpose import cpu

    if any(a.strides[1] != 4 or a.strides[0] < 4 * a.shape[1] for a in (x, out)):
        raise ValueError(
            "the elements of a row must lie side by side; make copies with numpy.ascontiguousarray"
        )
    if nontemporal and (out.ctypes.data % LINE or out.strides[0] % LINE):
        raise ValueError(
            f"non-temporal stores need each row of out on a {LINE}-byte boundary; make it with buffers.aligned, "
            f"its rows a multiple of {LINE // 4} elements apart"
        )
    cpu.transpose(way, x, out, nontemporal)
