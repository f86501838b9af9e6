"""The packed products compiled for other processors than this one, each in a process of its own."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # what no process has compiled for these targets yet

SCRIPT = """
import sys
import numpy as np
from lessons.kernels.packed import cpu, float32, int8, linear, pack, reference, unpack
from lessons.kernels.packed.formats import FORMATS
from lessons.kernels.packed.isa import choose

assert [choose(module.ISAS).name for module in (float32, int8)] == sys.argv[1:]
random = np.random.default_rng(0)
x = random.standard_normal((2, 64)).astype(np.float32)
halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
scales = halves[np.isfinite(halves)].reshape(16, -1)
every = pack(np.full((16, 32 * scales.shape[1]), 9), scales, format="Q4_0")
assert (unpack(every)[:, ::32] == scales).all()
for format in FORMATS:
    codes = random.integers(0, 16, (32, 64)) - 8 * (format == "Q8_0")
    scales = random.uniform(0.5, 1.5, (32, 2))
    packed = pack(codes, scales, -7.5 * scales if format == "Q4_1" else None, format=format)
    assert (unpack(packed) == reference.dequantize(packed)).all()
    assert np.allclose(linear(x, packed), reference.linear(x, packed), atol=1e-4)
    assert np.allclose(linear(x, packed, arithmetic="int8"), reference.linear_int8(x, packed), atol=1e-4)
print("correct")
"""


def host_has(*features):
    from llvmlite.binding import get_host_cpu_features

    known = get_host_cpu_features()
    return all(known.get(f) for f in features)


def run_for(name, features, *isas):
    env = {**os.environ, "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT, *isas], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "correct\n"


def test_the_generic_target():
    run_for("generic", "", "plain", "plain")


@pytest.mark.skipif(not host_has("avx2", "fma", "f16c"), reason="this processor cannot run AVX2 code")
def test_a_target_with_avx2():
    run_for("haswell", "+avx,+avx2,+fma,+f16c,+bmi,+bmi2", "avx2", "avx2")


@pytest.mark.skipif(not host_has("avx2"), reason="this processor cannot run AVX2 code")
def test_a_target_with_avx2_but_without_fma():
    run_for("x86-64-v3", "+avx,+avx2,-fma", "plain", "plain")
