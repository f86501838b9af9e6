"""How peaks are measured. A real measurement runs in tests/robustness."""

import sys

import numpy as np
import pytest

from lessons.passport.cpu import fresh_pages, page_fault
from lessons.passport.measuring import _all_threads


def test_a_cell_that_left_one_thread_does_not_cut_the_passport_down():
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        with _all_threads(before):
            assert numba.get_num_threads() == before
        assert numba.get_num_threads() == 1
    finally:
        numba.set_num_threads(before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count page faults for getrusage")
def test_only_the_first_touch_of_a_fresh_page_faults():
    import resource

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        pages[::4096] = 1
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    heap = [np.ones(24 << 20, np.uint8) for _ in range(4)]
    del heap  # what an allocator may keep and hand out again
    for _ in range(3):
        pages = fresh_pages(32 << 20)
        assert faults() >= 16  # huge pages at the fewest
        assert faults() < 16


def test_a_page_fault_costs_more_than_nothing():
    cost = page_fault(fresh_pages)
    assert cost.unit == "s" and cost.n == 9
    assert cost.value > 0
