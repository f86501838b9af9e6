"""A float32 matrix product, from three plain loops to tiles: what a cache, or shared memory, is for."""

from __future__ import annotations

from typing import Any

from lessons.kernels.gemm.reference import product as reference

__all__ = ["WAYS", "product", "reference"]

WAYS = {"cpu": ("naive", "blocked"), "cuda": ("naive", "tiled", "registers")}


def product(a: Any, b: Any, way: str, *, tile: int = 64, out: Any = None) -> Any:
    """Return a b in one of several ways that do the same arithmetic and differ in the bytes that they move.

    On the CPU "naive" reads a column of b for each element of the result; "blocked" copies square tiles of a and b
    side by side into a buffer and multiplies them there. On CUDA "naive" gives each element of the result a thread;
    "tiled" brings tiles into shared memory first, and "registers" does so with a square of results for each thread.

    Args:
        a: [m, k] float32, a NumPy array or a CUDA tensor; its rows may lie apart, each of them without gaps.
        b: [k, n] float32, likewise, on the same device.
        way: see ``WAYS``.
        tile: CPU, "blocked": the side of a tile, a power of two from 4 on.
        out: [m, n] float32 to write into, likewise; made when None.

    Returns:
        [m, n] float32; all sums are float32.

    Raises:
        ValueError: for shapes, dtypes, a way or a tile that do not fit.

    Source:
        K. Goto and R. van de Geijn, Anatomy of High-Performance Matrix Multiplication (2008), for copying the tiles.
        This is a variant with square tiles, as NVIDIA's CUDA C++ Programming Guide has them in shared memory.
    """
    device = "cuda" if getattr(a, "is_cuda", False) else "cpu"
    if way not in WAYS[device]:
        raise ValueError(f"way is {way!r}, but on {device} must be one of {', '.join(WAYS[device])}")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"a is {tuple(a.shape)} and b {tuple(b.shape)}; columns of a must be rows of b")
    shape = (a.shape[0], b.shape[1])
    if out is None:
        out = a.new_empty(shape) if device == "cuda" else _empty(shape)
    if tuple(out.shape) != shape:
        raise ValueError(f"out is {tuple(out.shape)}, but must be {shape}; leave it out to have one made")
    for x in (a, b, out):
        if str(x.dtype).removeprefix("torch.") != "float32":
            raise ValueError(f"product takes float32, got {x.dtype}; convert it first")
        step = x.stride(1) if device == "cuda" else x.strides[1] // 4
        if step != 1 and x.shape[1] > 1:
            raise ValueError("product takes rows without gaps; make a copy, as with .T.copy()")
    if device == "cuda":
        from lessons.kernels.gemm import cuda

        cuda.product(a, b, out, way)
        return out
    from lessons.kernels.gemm import cpu

    if way == "naive":
        cpu.naive(a, b, out)
    elif tile < cpu.LEAST_TILE or tile & (tile - 1):
        raise ValueError(f"tile is {tile}, but must be a power of two from {cpu.LEAST_TILE} on")
    else:
        cpu.blocked(a, b, out, tile)
    return out


def _empty(shape: tuple[int, int]) -> Any:
    import numpy as np

    return np.empty(shape, np.float32)
