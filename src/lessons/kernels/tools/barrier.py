"""The barrier at which the threads of a team meet: what one wrote before, all read after it.

Each thread has a flag that only it writes: the number of its last meeting. It has come when its flag has risen, and
waits until it has seen all others' flags rise. A thread that has left, for whatever reason, is known by a second
word beside its flag, so that nobody waits for it.
"""

from __future__ import annotations

import ctypes
import sys

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lessons.kernels.tools import simd
from lessons.kernels.tools.clock import nanoseconds
from lessons.kernels.tools.jit import njit

FLAG_BYTES = 128  # a flag a thread, two cache lines apart: the second is fetched along with the first
LEFT = 8  # bytes from a flag to the word that its thread leaves behind: 0 while it works
LOOKS = 64  # at a flag, a microsecond or two, between two looks at the clock
SPIN = 50_000  # nanoseconds of looking before the core is offered to others after each look
PATIENCE = 30_000_000_000  # nanoseconds without a sign of another thread
GAP = 10_000_000  # nanoseconds that one look counts at most: a machine that slept for a minute has not waited so long

word = types.int64

_YIELD = "lessons_yield"  # by name: a kernel on disk cannot hold the address that this process found
if sys.platform == "win32":
    _yield = ctypes.windll.kernel32.SwitchToThread
else:
    _yield = ctypes.CDLL(None).sched_yield
llvmlite.binding.add_symbol(_YIELD, ctypes.cast(_yield, ctypes.c_void_p).value)


@intrinsic
def write_flag(typing, address, value):
    """Write a flag, after all that this thread has written before."""

    def codegen(context, builder, signature, args):
        builder.store_atomic(args[1], builder.inttoptr(args[0], simd.i64.as_pointer()), "release", 8)
        return context.get_dummy_value()

    return types.void(word, word), codegen


@intrinsic
def read_flag(typing, address):
    """Read a flag, before all that this thread reads after."""

    def codegen(context, builder, signature, args):
        return builder.load_atomic(builder.inttoptr(args[0], simd.i64.as_pointer()), "acquire", 8)

    return word(word), codegen


@intrinsic
def _pause(typing):
    """Tell an x86 core that this is a waiting loop; nothing elsewhere."""

    def codegen(context, builder, signature, args):
        if simd.is_x86():
            simd.call(builder, "llvm.x86.sse2.pause", ir.VoidType())
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def _give_way(typing):
    """Offer this core to other programs."""

    def codegen(context, builder, signature, args):
        simd.call(builder, _YIELD, simd.i32)
        return context.get_dummy_value()

    return types.void(), codegen


@njit(types.boolean(word, word, word), nogil=True)
def comes(flag, epoch, patience):
    """Wait until another thread has come to a meeting, and tell whether it has.

    Args:
        flag: address of its flag.
        epoch: number of the meeting.
        patience: nanoseconds after which it counts as lost.
    """
    waited, before = 0, nanoseconds()
    while True:
        for _ in range(LOOKS if waited < SPIN else 1):
            if read_flag(flag) >= epoch:
                return True
            _pause()
        # In this order: it may have come first and left then.
        if read_flag(flag + LEFT) != 0 and read_flag(flag) < epoch:
            return False
        now = nanoseconds()
        waited += min(now - before, GAP)
        before = now
        if waited >= patience:
            return False
        if waited >= SPIN:
            _give_way()  # the other's core may be taken by another program


@njit(word(word, word, word, word), nogil=True)
def meet(flags, me, threads, epoch):
    """Wait until every thread has come to this meeting; return its number, to be passed to the next.

    Args:
        flags: address of ``threads`` flags, ``FLAG_BYTES`` apart, all 0 before the first meeting.
        me: this thread, from 0.
        threads: how many there are.
        epoch: number of the last meeting, 0 at first.

    Raises:
        RuntimeError: when another thread has left, or was not seen for ``PATIENCE``.
    """
    epoch += 1
    if threads > 1:
        write_flag(flags + me * FLAG_BYTES, epoch)
        for other in range(threads):
            flag = flags + other * FLAG_BYTES
            if read_flag(flag) < epoch and not comes(flag, epoch, PATIENCE):
                raise RuntimeError("another thread of the team did not come to a meeting")
    return epoch
