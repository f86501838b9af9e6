"""Timing on a CUDA device: the host's clock only sees the launch, so the device's own events are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def event_seconds(fn: Callable[[], Any], samples: int) -> tuple[float, ...]:
    """Return the device seconds of ``samples`` calls, each between two events on the current stream.

    All calls are queued before the first event is read: a synchronise between them would let the device
    idle and clock down.

    Source:
        CUDA C++ Programming Guide, "Events"; the queue-first order follows nvbandwidth.
    """
    import torch

    pairs = []
    torch.cuda.synchronize()
    for _ in range(samples):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        fn()
        end.record()
        pairs.append((begin, end))
    torch.cuda.synchronize()
    return tuple(begin.elapsed_time(end) * 1e-3 for begin, end in pairs)
