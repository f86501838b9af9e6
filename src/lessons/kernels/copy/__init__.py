"""A copy on a CUDA device, with enough loads under way per thread to keep its memory busy."""

from __future__ import annotations

from typing import Any

__all__ = ["copy"]


def copy(target: Any, source: Any) -> None:
    """Copy ``source`` to ``target``, each thread loading several words before it stores the first of them.

    Args:
        target, source: [n] float64 CUDA tensors, contiguous. The element is the word that a thread moves: view other
            dtypes as it.

    Raises:
        ValueError: for shapes or dtypes that do not fit.

    Source:
        V. Volkov, Better Performance at Lower Occupancy (2010): several words per thread in place of more threads.
    """
    if target.ndim != 1 or target.shape != source.shape:
        raise ValueError(
            f"target is {tuple(target.shape)} and source {tuple(source.shape)}; both must be of one length"
        )
    if any(str(x.dtype) != "torch.float64" for x in (target, source)):
        raise ValueError(
            f"copy moves words of 8 bytes, got {target.dtype} and {source.dtype}; view them as float64"
        )
    from lessons.kernels.copy import cuda

    cuda.copy(target, source)
