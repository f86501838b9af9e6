"""Waiting for other threads: never in vain for ever, and by the clock."""

import time

import numba
import numpy as np
import pytest
from numba import types

from lessons.kernels.tools import barrier, simd
from lessons.kernels.tools.barrier import FLAG_BYTES, LEFT, comes
from lessons.kernels.tools.clock import nanoseconds
from lessons.kernels.tools.jit import njit
from lessons.kernels.tools.team import new_flags

word = types.int64


@njit(word())
def now():
    return nanoseconds()


def test_the_clock_is_pythons():
    for _ in range(100):
        before, between, after = time.monotonic_ns(), now(), time.monotonic_ns()
        assert before <= between <= after


@pytest.mark.parametrize("patience", [0, 1_000, 20_000_000])
def test_one_who_does_not_come_is_waited_for_by_the_clock(patience):
    flags = new_flags(1)
    before = now()
    assert not comes(flags.ctypes.data, 1, patience)
    assert now() - before >= patience


def test_one_who_has_left_is_not_waited_for():
    flags = new_flags(1)
    flags[0, 0], flags[0, LEFT // 8] = 4, 1
    assert comes(flags.ctypes.data, 4, 10**18)  # it came, and left after that
    assert not comes(flags.ctypes.data, 5, 10**18)


def test_a_meeting_without_the_others_ends_with_an_error(monkeypatch):
    monkeypatch.setattr(barrier, "PATIENCE", 1_000_000)
    meet = numba.njit(nogil=True)(barrier.meet.py_func)
    flags = new_flags(2)
    with pytest.raises(RuntimeError, match="did not come"):
        meet(flags.ctypes.data, 0, 2, 0)
    flags[1, 0] = 1
    assert meet(flags.ctypes.data, 0, 2, 0) == 1


def test_the_flags_lie_on_lines_of_their_own():
    flags = new_flags(3)
    assert flags.strides[0] == FLAG_BYTES
    assert flags.ctypes.data % FLAG_BYTES == 0
    assert not np.any(flags)


@pytest.mark.parametrize("x86", [False, True])
def test_the_pause_of_x86_is_built_on_x86_only(x86, monkeypatch):
    monkeypatch.setattr(simd, "is_x86", lambda: x86)
    compiled = numba.njit(types.void())(lambda: barrier._pause())
    (code,) = compiled.inspect_llvm().values()
    assert ("llvm.x86" in code) == x86
