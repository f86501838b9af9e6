"""Under which conditions something is measured: on how many threads, and on which processors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def set_one_thread() -> None:
    """Keep torch and Numba on one thread in the calling Python thread: for the workers of a pool."""
    import numba
    import torch

    torch.set_num_threads(1)
    numba.set_num_threads(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch and Numba on one thread inside the block, and give both their number back after it.

    One core's roofline then speaks for both libraries. And nothing waits for a thread that did not get its core: a
    pool whose threads spin at a barrier takes many times as long on a machine where one core is busy.

    For one Python thread at a time: torch's number for threads to come is the process's, and two that leave one
    after the other would leave it wrong.
    """
    import numba
    import torch

    before = torch.get_num_threads(), numba.get_num_threads()
    set_one_thread()
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        numba.set_num_threads(before[1])


@contextmanager
def running_on(cpus: tuple[int, ...]) -> Iterator[None]:
    """Keep this process on ``cpus`` inside the block, as far as it may run there (Linux)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cpus) & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
