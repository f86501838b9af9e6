"""The walk through shared memory: where it ends, which banks it meets, and what it refuses."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.formulas import warp
from lessons.kernels.shared import walk
from lessons.kernels.shared.reference import WORDS, end

SIMULATED = """
import torch
from lessons.kernels import shared
from lessons.kernels.shared.reference import end

for stride in (0, 1, 32, 33):
    for rounds in (1, 129):
        ends = shared.walk(stride, rounds, blocks=1, threads=64).tolist()
        assert ends == [end(i % 32, stride, shared.LOADS * rounds) for i in range(64)], (stride, rounds)
"""


def test_every_thread_ends_where_the_reference_does():
    pytest.importorskip("torch")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, "-c", SIMULATED], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@given(st.integers(1, 33), st.integers(0, 3 * WORDS))
def test_each_read_of_the_walk_meets_the_conflicts_of_its_stride(stride, loads):
    addresses = [4 * end(lane, stride, loads) for lane in range(32)]
    assert warp.bank_cycles(addresses, 4) == warp.column_cycles(stride)


@pytest.mark.parametrize(
    ("stride", "how", "words"),
    [
        (34, {}, "stride is 34"),
        (-1, {}, "stride is -1"),
        (1, {"threads": 33}, "a multiple of 32"),
        (1, {"blocks": 0}, "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(stride, how, words):
    with pytest.raises(ValueError, match=words):
        walk(stride, 1, **how)


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        walk(1, 0)
