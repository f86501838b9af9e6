"""Threads that work through one long call together: how they start, how they share, how they call by address.

A parallel loop costs microseconds to start, which is as long as a small matrix product takes. A decode step has
hundreds of those. So its threads are started once, and meet at a barrier where one needs what another wrote.
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, get_num_threads, prange, set_num_threads, threading_layer, types
from numba.extending import intrinsic

from lessons.errors import LessonError
from lessons.kernels.tools import simd
from lessons.kernels.tools.addresses import int64_pointer
from lessons.kernels.tools.barrier import FLAG_BYTES, LEFT, comes, meet, write_flag
from lessons.kernels.tools.buffers import aligned
from lessons.kernels.tools.jit import cfunc, njit
from lessons.topology import available_cpus, cpu_quota

__all__ = ["DONE", "call4", "call7", "meet", "new_flags", "run", "share", "size"]

DONE = (
    1  # what a thread returns when it has done all its work; one that was stopped by an exception returns 0
)
FAILED = -1
REHEARSAL = 1_000_000_000  # nanoseconds in which every thread of a team has to appear

word = types.int64
# Numba's own pool aborts the process when two Python threads use it at once, and two teams would wait for each
# other's cores.
_one_at_a_time = Lock()


@njit(types.UniTuple(word, 2)(word, word, word), nogil=True)
def share(count, me, threads):
    """Return the first and the last + 1 of ``count`` things that are thread ``me``'s."""
    return count * me // threads, count * (me + 1) // threads


def _caller(count: int):
    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(ir.VoidType(), [simd.i64] * count)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(*[word] * (count + 1)), codegen


@intrinsic
def call4(typing, function, a, b, c, d):
    """Call the C function at an address with four int64."""
    return _caller(4)


@intrinsic
def call7(typing, function, a, b, c, d, e, f, g):
    """Call the C function at an address with seven int64."""
    return _caller(7)


@intrinsic
def _work(typing, function, me, argument):
    """Return what the C function at an address returns."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(simd.i64, [simd.i64] * 2)
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])

    return word(word, word, word), codegen


@njit(types.void(word, word, word, word), nogil=True)
def _be_one(me, function, flags, argument):
    """Do one thread's work. However it ends, the others learn that nobody needs to wait for it any more."""
    done = _work(function, me, argument)
    write_flag(flags + me * FLAG_BYTES + LEFT, DONE if done == DONE else FAILED)


@njit(types.void(word, word, word, word), nogil=True, parallel=True)
def _start(threads, function, flags, argument):
    for me in prange(threads):
        _be_one(me, function, flags, argument)


def new_flags(threads: int) -> np.ndarray:
    """Return the flags of a team, int64 [threads, 16], each thread's on cache lines of its own."""
    return aligned((threads, FLAG_BYTES // 8), "int64")


def run(function: Any, flags: np.ndarray, argument: int) -> None:
    """Call the C function ``function(me, argument)`` for each thread ``me`` of a team, all at the same time.

    Args:
        function: what ``lessons.kernels.tools.jit.cfunc`` returned; it returns ``DONE`` when it has done all its work.
        flags: ``new_flags(threads)``, for ``meet``; set to 0 here. With one thread, no other is woken. There are at
            most ``size()``, or those that meet would wait for one that never runs.
        argument: an address, or any other int64.

    Raises:
        ValueError: for more threads than Numba has.
        LessonError: when a thread has not done its work. What stopped it is printed by Python as an exception that
            nobody could catch. The others leave at their next meeting.
    """
    threads = len(flags)
    if threads > get_num_threads():
        raise ValueError(f"a team of {threads} needs as many threads, and Numba has {get_num_threads()}")
    lost = threads - _run(function, flags, argument)
    if lost:
        _all_arrive.cache_clear()
        raise LessonError(
            f"{lost} of {threads} threads ended before their work was done, and the result is lost; the first reason "
            "printed above says why. Out of memory, free some; else set NUMBA_NUM_THREADS=1"
        )


def _run(function: Any, flags: np.ndarray, argument: int) -> int:
    """Return how many threads have done all their work."""
    threads, before = len(flags), get_num_threads()
    with _one_at_a_time:
        flags.fill(0)
        if threads == 1:
            _be_one(0, function.address, flags.ctypes.data, argument)
        else:
            set_num_threads(threads)  # no more than that are woken
            try:
                _start(threads, function.address, flags.ctypes.data, argument)
            finally:
                set_num_threads(before)
        return int((flags[:, LEFT // 8] == DONE).sum())


def size() -> int:
    """Return how many threads surely run at the same time: Numba's number now, at most ``cores()``, or 1.

    Numba promises only that all parts of a loop are done, not that each has a thread of its own. OpenMP and
    Numba's own pool deal one part to each thread. TBB deals as it likes, and an environment with a thread limit
    may have fewer threads than Numba was told; a team would then wait in vain. More threads than cores would wait
    for one that is not running.
    """
    threads = min(get_num_threads(), cores())
    return threads if _all_arrive(threads) else 1


def cores() -> int:
    """Return how many cores this process may use now: those of its affinity mask, or its quota of CPU time."""
    cpus, quota = len(available_cpus()), _quota()
    return cpus if quota is None else min(cpus, quota)


# It stands in files, which take too long to read before each token; a quota stays for a container's life.
_quota = cache(cpu_quota)


@cache
def _all_arrive(threads: int) -> bool:
    """Rehearse once: does each thread see all the others before it loses patience?"""
    if threads == 1:
        return True
    flags = new_flags(threads)
    argument = np.array([threads, flags.ctypes.data])
    return _run(_arrive, flags, argument.ctypes.data) == threads and threading_layer() != "tbb"


@cfunc(word(word, word))
def _arrive(me, argument):
    a = carray(int64_pointer(argument), (2,))
    threads, flags = a[0], a[1]
    write_flag(flags + me * FLAG_BYTES, 1)
    for other in range(threads):
        if not comes(flags + other * FLAG_BYTES, 1, REHEARSAL):
            return 0
    return DONE
