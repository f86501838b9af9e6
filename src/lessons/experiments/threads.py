"""How many threads an experiment may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch and Numba on one thread inside the block, and give both their number back after it.

    One core's roofline then speaks for both libraries. And nothing waits for a thread that did not get its core: a
    pool whose threads spin at a barrier takes many times as long on a machine where one core is busy.
    """
    import numba
    import torch

    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        numba.set_num_threads(before[1])
