"""The access patterns of the chapter on GPU memory: small kernels, and the log of what their warps touch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lessons.kernels.tools.access_log import Run

__all__ = ["log"]


def log() -> Mapping[str, Run]:
    """Return what the warp of each pattern read and wrote in Numba's CUDA simulator, by the pattern's name.

    One child process runs all patterns, once per process.

    Raises:
        LessonError: when the simulator does not run here.
    """
    from lessons.kernels.patterns import launches
    from lessons.kernels.tools.access_log import record

    return record(launches.__name__)
