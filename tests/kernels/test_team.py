"""Threads that meet: what one wrote before a meeting, all read after it."""

import os
import subprocess
import sys

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
    team.run(pass_around, threads, argument.ctypes.data)
    rounds = ROUNDS * (ROUNDS - 1) // 2
    assert sums.tolist() == [rounds * ((me + 1) % threads + 1) for me in range(threads)]


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_NUM_THREADS": "2", **environment},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.strip()


def test_two_threads_make_a_team_of_two():
    assert run_python("from lessons.kernels import team; print(team.size())") == "2"
    layer = {"NUMBA_THREADING_LAYER": "workqueue"}
    assert run_python("from lessons.kernels import team; print(team.size())", **layer) == "2"


@pytest.mark.skipif(sys.platform != "linux", reason="the OpenMP limit is read on Linux")
def test_where_fewer_threads_come_than_were_asked_for_one_works_alone():
    code = """
import numba
from lessons.kernels import team
print(numba.get_num_threads(), team.size(), numba.threading_layer())
"""
    asked, size, layer = run_python(code, OMP_THREAD_LIMIT="1", NUMBA_THREADING_LAYER="omp").split()
    assert (asked, size, layer) == ("2", "1", "omp")


def test_a_team_larger_than_the_pool_is_refused():
    with pytest.raises(ValueError, match="Numba has"):
        team.run(pass_around, numba.get_num_threads() + 1, 0)


@pytest.mark.parametrize("count, threads", [(0, 3), (1, 2), (7, 2), (96, 5)])
def test_shares_cover_everything_once(count, threads):
    parts = [range(*share(count, me, threads)) for me in range(threads)]
    assert [i for part in parts for i in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
