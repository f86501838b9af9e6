"""Threads that meet: what one wrote before a meeting, all read after it."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba import carray, types

from lessons import topology
from lessons.errors import LessonError
from lessons.kernels.tools import team
from lessons.kernels.tools.addresses import int64_pointer
from lessons.kernels.tools.jit import cfunc
from lessons.kernels.tools.team import DONE, meet, new_flags, share

ROUNDS = 2000


@cfunc(types.int64(types.int64, types.int64))
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
    return DONE


@pytest.mark.parametrize("threads", range(1, numba.get_num_threads() + 1))
def test_everyone_sees_what_was_written_before_the_meeting(threads):
    flags = new_flags(threads)
    written, sums = np.zeros(threads, np.int64), np.zeros(threads, np.int64)
    argument = np.array([threads, *(x.ctypes.data for x in (flags, written, sums))])
    team.run(pass_around, flags, argument.ctypes.data)
    rounds = ROUNDS * (ROUNDS - 1) // 2
    assert sums.tolist() == [rounds * ((me + 1) % threads + 1) for me in range(threads)]


# In the processes below, so that a computer with one core can hold a team of two.
TWO_CORES = """
from lessons.kernels.tools import team
team.available_cpus = lambda: {0, 1}
"""


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_NUM_THREADS": "2", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "threads, layer", [("2", "default"), ("2", "workqueue"), ("8", "default"), ("8", "workqueue")]
)
def test_two_cores_make_a_team_of_two_whatever_numba_was_told(threads, layer):
    environment = {"NUMBA_NUM_THREADS": threads, "NUMBA_THREADING_LAYER": layer}
    assert run_python(TWO_CORES + "print(team.size())", **environment) == "2"


def test_a_later_limit_makes_the_team_smaller():
    code = """
import numba
sizes = [team.size()]
numba.set_num_threads(1)
sizes.append(team.size())
numba.set_num_threads(2)
sizes.append(team.size())
team.available_cpus = lambda: {1}
sizes.append(team.size())
print(sizes)
"""
    assert run_python(TWO_CORES + code) == "[2, 1, 2, 1]"


def test_the_cores_are_those_of_this_process():
    assert 1 <= team.size() <= len(topology.available_cpus())


EARLY = """
import numpy as np
from numba import carray, types
from lessons.errors import LessonError
from lessons.kernels.tools.addresses import int64_pointer
from lessons.kernels.tools.jit import cfunc
from lessons.kernels.tools.team import DONE, meet

@cfunc(types.int64(types.int64, types.int64))
def work(me, argument):
    a = carray(int64_pointer(argument), (3,))
    early, flags, threads = a[0], a[1], a[2]
    epoch = 0
    for i in range(3):
        if me == early and i == 1:
            {how}
        epoch = meet(flags, me, threads, epoch)
    return DONE

flags = team.new_flags(2)
outcomes = []
for early in (1, 0, 2):  # the last, nobody
    try:
        team.run(work, flags, np.array([early, flags.ctypes.data, 2]).ctypes.data)
        outcomes.append("whole")
    except LessonError as error:
        outcomes.append(str(error).partition(",")[0])
print(outcomes, team.size())
"""


@pytest.mark.parametrize("layer", ["default", "workqueue"])
@pytest.mark.parametrize(
    "how",
    [
        "return DONE",
        "return 0",
        "raise ValueError",
        "np.empty(1 << 60)[0] = 1",
        "return DONE // (me - early)",
    ],
)
def test_a_thread_that_ends_early_stops_the_others_and_nothing_hangs(how, layer):
    lost = "1" if how == "return DONE" else "2"  # it believes to be done, and the other misses it
    stopped = f"{lost} of 2 threads ended before their work was done"
    out = run_python(TWO_CORES + EARLY.format(how=how), NUMBA_THREADING_LAYER=layer)
    assert out == f"{[stopped, stopped, 'whole']} 2"


def test_a_single_thread_that_fails_is_noticed():
    @cfunc(types.int64(types.int64, types.int64))
    def work(me, argument):
        return argument

    team.run(work, new_flags(1), DONE)
    with pytest.raises(LessonError, match=r"1 of 1 threads.*NUMBA_NUM_THREADS"):
        team.run(work, new_flags(1), 0)


def test_two_python_threads_take_turns():
    """Numba's own pool would abort the process: "concurrent access has been detected"."""
    code = """
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from numba import carray, types
from lessons.kernels.tools.addresses import int64_pointer
from lessons.kernels.tools.jit import cfunc
from lessons.kernels.tools.team import DONE, meet

@cfunc(types.int64(types.int64, types.int64))
def work(me, flags):
    epoch = 0
    for i in range(100):
        epoch = meet(flags, me, 2, epoch)
    return DONE

def often(flags):
    for _ in range(200):
        team.run(work, flags, flags.ctypes.data)

with ThreadPoolExecutor(2) as pool:
    list(pool.map(often, [team.new_flags(2) for _ in range(2)]))
print("both")
"""
    assert run_python(TWO_CORES + code, NUMBA_THREADING_LAYER="workqueue") == "both"


@pytest.mark.skipif(sys.platform != "linux", reason="the OpenMP limit is read on Linux")
def test_where_fewer_threads_come_than_were_asked_for_one_works_alone():
    code = """
import numba
print(numba.get_num_threads(), team.size(), numba.threading_layer())
"""
    asked, size, layer = run_python(
        TWO_CORES + code, OMP_THREAD_LIMIT="1", NUMBA_THREADING_LAYER="omp"
    ).split()
    assert (asked, size, layer) == ("2", "1", "omp")


def test_a_team_larger_than_the_pool_is_refused():
    with pytest.raises(ValueError, match="Numba has"):
        team.run(pass_around, new_flags(numba.get_num_threads() + 1), 0)


@pytest.mark.parametrize("count, threads", [(0, 3), (1, 2), (7, 2), (96, 5)])
def test_shares_cover_everything_once(count, threads):
    parts = [range(*share(count, me, threads)) for me in range(threads)]
    assert [i for part in parts for i in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
