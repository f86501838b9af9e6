"""Threads that work through one long call together: how they share, how they wait, how they call by address.

A parallel loop costs microseconds to start, which is as long as a small matrix product takes. A decode step has
hundreds of those. So its threads are started once, and meet at a barrier where one needs what another wrote.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import carray, get_num_threads, prange, threading_layer, types
from numba.core import cgutils
from numba.extending import intrinsic

from lessons.kernels import simd
from lessons.kernels.addresses import int64_pointer
from lessons.kernels.jit import cfunc, njit

FLAG_BYTES = 128  # a flag a thread, two cache lines apart: the second is fetched along with the first
SPINS = 20_000  # looks at a flag before the core is offered to others; some tens of microseconds
PATIENCE = 1_000_000  # looks of a thread for the others, giving way after each; a second or so

word = types.int64

_YIELD = "lessons_yield"  # by name: a kernel on disk cannot hold the address that this process found
if sys.platform == "win32":
    _yield = ctypes.windll.kernel32.SwitchToThread
else:
    _yield = ctypes.CDLL(None).sched_yield
llvmlite.binding.add_symbol(_YIELD, ctypes.cast(_yield, ctypes.c_void_p).value)


@intrinsic
def _raise_flag(typing, address, value):
    def codegen(context, builder, signature, args):
        builder.store_atomic(args[1], builder.inttoptr(args[0], simd.i64.as_pointer()), "release", 8)
        return context.get_dummy_value()

    return types.void(word, word), codegen


@intrinsic
def _read_flag(typing, address):
    def codegen(context, builder, signature, args):
        return builder.load_atomic(builder.inttoptr(args[0], simd.i64.as_pointer()), "acquire", 8)

    return word(word), codegen


@intrinsic
def _pause(typing):
    """Tell an x86 core that this is a waiting loop; nothing elsewhere."""

    def codegen(context, builder, signature, args):
        if not simd.is_arm():
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def _give_way(typing):
    """Offer this core to other programs."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(simd.i32, [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, _YIELD), [])
        return context.get_dummy_value()

    return types.void(), codegen


@njit(word(word, word, word, word), nogil=True)
def meet(flags, me, threads, epoch):
    """Wait until every thread has come to this meeting; return its number, to be passed to the next.

    Args:
        flags: address of ``threads`` flags, ``FLAG_BYTES`` apart, all 0 before the first meeting.
        me: this thread, from 0.
        threads: how many there are.
        epoch: number of the last meeting, 0 at first.
    """
    epoch += 1
    if threads > 1:
        _raise_flag(flags + me * FLAG_BYTES, epoch)
        for other in range(threads):
            spins = 0
            while _read_flag(flags + other * FLAG_BYTES) < epoch:
                spins += 1
                if spins < SPINS:
                    _pause()
                else:
                    _give_way()  # the other's core may be taken by another program
    return epoch


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
def call2(typing, function, a, b):
    """Call the C function at an address with two int64."""
    return _caller(2)


@intrinsic
def call4(typing, function, a, b, c, d):
    """Call the C function at an address with four int64."""
    return _caller(4)


@intrinsic
def call7(typing, function, a, b, c, d, e, f, g):
    """Call the C function at an address with seven int64."""
    return _caller(7)


@njit(types.void(word, word, word), nogil=True, parallel=True)
def _start(threads, function, argument):
    for me in prange(threads):
        call2(function, me, argument)


@njit(types.void(word, word, word), nogil=True)
def _alone(threads, function, argument):
    call2(function, 0, argument)


def run(function: Any, threads: int, argument: int) -> None:
    """Call the C function ``function(me, argument)`` for each ``me`` below ``threads``, all at the same time.

    Args:
        function: what ``numba.cfunc`` returned.
        threads: at most ``size()``, or those that meet would wait for one that never runs. With one, no other
            thread is woken.
        argument: an address, or any other int64.

    Raises:
        ValueError: for more threads than Numba has.
    """
    if threads > get_num_threads():
        raise ValueError(f"a team of {threads} needs as many threads, and Numba has {get_num_threads()}")
    (_start if threads > 1 else _alone)(threads, function.address, argument)


def size() -> int:
    """Return how many threads surely run at the same time: Numba's current number, or 1.

    Numba promises only that all parts of a loop are done, not that each has a thread of its own. OpenMP and
    Numba's own pool deal one part to each thread. TBB deals as it likes, and an environment with a thread limit
    may have fewer threads than Numba was told; a team would then wait forever.
    """
    threads = get_num_threads()
    return threads if _all_arrive(threads) else 1


@cache
def _all_arrive(threads: int) -> bool:
    """Rehearse once: does each thread see all the others before it loses patience?"""
    if threads == 1:
        return True
    flags = np.zeros((threads, FLAG_BYTES // 8), np.int64)
    arrived = np.zeros(threads, np.int64)
    argument = np.array([threads, flags.ctypes.data, arrived.ctypes.data])
    run(_arrive, threads, argument.ctypes.data)
    return threading_layer() != "tbb" and bool(arrived.all())


@cfunc(types.void(word, word))
def _arrive(me, argument):
    a = carray(int64_pointer(argument), (3,))
    threads, flags, arrived = a[0], a[1], carray(int64_pointer(a[2]), (a[0],))
    _raise_flag(flags + me * FLAG_BYTES, 1)
    looks, there = 0, 0
    while there < threads and looks < PATIENCE:
        there = 0
        for other in range(threads):
            there += _read_flag(flags + other * FLAG_BYTES)
        looks += 1
        _give_way()
    arrived[me] = there == threads
