"""Threads that meet: what one wrote before a meeting, all read after it."""

import numba
import numpy as np
import pytest
from numba import carray, cfunc, types

from lessons.kernels import team
from lessons.kernels.addresses import int64_pointer
from lessons.kernels.team import FLAG_BYTES, meet, share

ROUNDS = 2000


@cfunc(types.void(types.int64, types.int64))
def pass_around(me, argument):
    """Each round: write a number, meet, add what the neighbour wrote, meet."""
    a = carray(int64_pointer(argument), (4,))
    threads, flags = a[0], a[1]
    written, sums = carray(int64_pointer(a[2]), (threads,)), carray(int64_pointer(a[3]), (threads,))
    epoch = 0
    for i in range(ROUNDS):
        written[me] = i * (me + 1)
        epoch = meet(flags, me, threads, epoch)
        sums[me] += written[(me + 1) % threads]
        epoch = meet(flags, me, threads, epoch)


@pytest.mark.parametrize("threads", range(1, numba.get_num_threads() + 1))
def test_everyone_sees_what_was_written_before_the_meeting(threads):
    flags = np.zeros(threads * FLAG_BYTES // 8, np.int64)
    written, sums = np.zeros(threads, np.int64), np.zeros(threads, np.int64)
    argument = np.array([threads, *(x.ctypes.data for x in (flags, written, sums))])
    team.run(pass_around.address, threads, argument.ctypes.data)
    rounds = ROUNDS * (ROUNDS - 1) // 2
    assert sums.tolist() == [rounds * ((me + 1) % threads + 1) for me in range(threads)]


def test_a_team_larger_than_the_pool_is_refused():
    with pytest.raises(ValueError, match="Numba has"):
        team.run(0, numba.get_num_threads() + 1, 0)


@pytest.mark.parametrize("count, threads", [(0, 3), (1, 2), (7, 2), (96, 5)])
def test_shares_cover_everything_once(count, threads):
    parts = [range(*share(count, me, threads)) for me in range(threads)]
    assert [i for part in parts for i in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
