"""The CPU kernels on other targets than this host: compiled for them and run, each in a process of its own."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # what no process has compiled for these targets yet

SCRIPT = """
import sys
import numpy as np
import torch
from lessons.kernels.tools import simd
from lessons.kernels.tools.buffers import aligned
from lessons.kernels.chase import chase, chase_many, ring
from lessons.kernels.chase.reference import walk
from lessons.kernels.fma import fma
from lessons.kernels.fma.reference import total
from lessons.kernels.gemv import linear, reference
from lessons.kernels.stream import TRAFFIC, stream
from lessons.kernels.stream.reference import stream as stream_reference
from lessons.kernels.strided import strided
from lessons.kernels.transpose import transpose

assert simd.vector_bytes() == int(sys.argv[1]), simd.vector_bytes()
b, c = aligned(1024), aligned(1024)
b[:], c[:] = np.arange(1024), np.arange(1024) % 7
for kind in TRAFFIC:
    for nontemporal in (False, True):
        a, expected = aligned(1024), np.zeros(1024)
        assert stream(kind, a, b, c, nontemporal=nontemporal, threads=2) == stream_reference(
            kind, expected, b, c, 3.0
        )
        assert (a == expected).all(), kind
links = ring(64 * 64)
assert chase(links, 48) == walk(links, 48)
assert chase_many(links, 48, np.array([0, 8])).tolist() == [walk(links, 48), walk(links, 48, 8)]
for dtype, size in (("float32", 4), ("float64", 8)):
    assert abs(fma(dtype, 9) / total(9, simd.vector_bytes() // size) - 1) < 1e-6
for dtype in (torch.float32, torch.bfloat16):
    for rows in (1, 8):
        x = torch.arange(rows * 70).reshape(rows, 70).remainder(11).float()
        w = torch.arange(33 * 70).reshape(33, 70).remainder(13).to(dtype)
        assert (linear(x, w).numpy() == reference(x.numpy(), w.float().numpy())).all()
x, out = np.arange(2800, dtype="float32").reshape(40, 70), aligned((70, 48), "float32")[:, :40]
assert [strided(x.ravel(), stride) for stride in (1, 3)] == [x.sum(), x.ravel()[::3].sum()]
for way, nontemporal in (("naive", False), ("blocked", False), ("blocked", True)):
    out[:] = 0
    transpose(way, x, out, nontemporal=nontemporal)
    assert (out == x.T).all(), way
print("correct")
"""


def host_has(*features):
    from llvmlite.binding import get_host_cpu_features

    known = get_host_cpu_features()
    return all(known.get(f) for f in features)


def run_for(name, features, width):
    env = {**os.environ, "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(width)], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "correct\n"


def test_the_generic_target():
    run_for("generic", "", 16)


@pytest.mark.skipif(not host_has("avx2", "fma"), reason="this processor cannot run AVX2 code")
def test_a_target_with_avx2():
    run_for("haswell", "+avx,+avx2,+fma,+f16c,+bmi,+bmi2", 32)


@pytest.mark.skipif(not host_has("avx2"), reason="this processor cannot run AVX2 code")
def test_a_target_with_avx2_but_without_fma():
    run_for("x86-64-v3", "+avx,+avx2,-fma", 32)
