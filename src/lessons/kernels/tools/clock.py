"""The system's steady clock, for compiled code."""

from __future__ import annotations

import ctypes
import sys
import time

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lessons.kernels.tools.simd import i32, i64

# Called by name: a kernel on disk cannot hold the address that this process found.
_NAME = "lessons_clock"
if sys.platform == "win32":
    _clock = ctypes.windll.kernelbase.QueryInterruptTimePrecise
else:
    _clock = ctypes.CDLL(None).clock_gettime
llvmlite.binding.add_symbol(_NAME, ctypes.cast(_clock, ctypes.c_void_p).value)


@intrinsic
def nanoseconds(typing):
    """Return the int64 nanoseconds since some time in the past; a call takes some tens of them.

    It never goes back. On POSIX systems it is CLOCK_MONOTONIC, which Python's ``time.monotonic_ns`` reads too.
    """

    def codegen(context, builder, signature, args):
        place = cgutils.alloca_once(builder, i64, size=2)
        if sys.platform == "win32":
            kind = ir.FunctionType(ir.VoidType(), [i64.as_pointer()])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, _NAME), [place])
            return builder.mul(builder.load(place), i64(100))
        kind = ir.FunctionType(i32, [i32, i64.as_pointer()])
        function = cgutils.get_or_insert_function(builder.module, kind, _NAME)
        builder.call(function, [i32(time.CLOCK_MONOTONIC), place])
        seconds, rest = (builder.load(builder.gep(place, [i32(part)])) for part in range(2))
        return builder.add(builder.mul(seconds, i64(10**9)), rest)

    return types.int64(), codegen
