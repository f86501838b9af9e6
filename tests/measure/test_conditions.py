from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numba
import torch

from lessons.measure.conditions import one_thread, set_one_thread


def numbers():
    return torch.get_num_threads(), numba.get_num_threads()


def in_new_threads(**options):
    """What two threads at the same time see."""
    both = Barrier(2, timeout=60)

    def look(_):
        both.wait()
        return numbers()

    with ThreadPoolExecutor(2, **options) as pool:
        return list(pool.map(look, range(2)))


def test_a_pool_inside_has_one_thread_each_and_all_get_their_number_back():
    before, elsewhere = numbers(), in_new_threads()
    with one_thread():
        assert numbers() == (1, 1)
        assert in_new_threads(initializer=set_one_thread) == [(1, 1), (1, 1)]
    assert numbers() == before and in_new_threads() == elsewhere
