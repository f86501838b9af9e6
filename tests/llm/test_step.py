"""What the compiled pass promises to its scratch memory."""

import numpy as np
import torch
from numba.core.runtime import _nrt_python, rtsys

from lessons.llm import step


def test_no_part_is_longer_than_the_longest():
    lengths = np.arange(1, 20_000)
    longest = [-(-length // step.part_count(length)) for length in lengths.tolist()]
    assert max(longest) == step.longest_part()


def test_a_pass_allocates_nothing_while_its_threads_run(llm):
    """What cannot be allocated stops one thread, and the others wait for it."""
    cache = llm.new_cache(320)
    llm.model.forward(torch.arange(300), cache)
    _nrt_python.memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats()
        llm.model.forward(torch.arange(4), cache)
        assert rtsys.get_allocation_stats() == before
    finally:
        _nrt_python.memsys_disable_stats()
