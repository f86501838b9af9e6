"""The CUDA kernel without a device: it compiles to PTX, and it runs in Numba's simulator."""

import os
import subprocess
import sys

import pytest

SIMULATED = """
import numpy as np
from numba import cuda
from lessons.kernels.horner import cuda as kernel
from lessons.kernels.horner.reference import horner

kernel.THREADS = 8  # the simulator runs a thread of its own for each
x = np.linspace(-0.9, 0.9, 75, dtype=np.float32)
out = cuda.to_device(np.zeros_like(x))
kernel.horner(cuda.to_device(x), out, 9, 0.5, 1)
np.testing.assert_allclose(out.copy_to_host(), horner(x, 9), rtol=1e-5)
"""

COMPILED = """
from numba import cuda, float32, float64, int64
from lessons.kernels.horner.cuda import kernel

for capability in ((8, 0), (9, 0)):
    signature = (float32[::1], float32[::1], int64, float64)
    text, _ = cuda.compile_ptx(kernel().py_func, signature, cc=capability)
    assert text.count("fma.rn.f32") >= 4, "a multiply and an add apart are half the speed"
"""


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )
    if "libNVVM" in done.stderr or "NvvmSupportError" in done.stderr:
        pytest.skip("the CUDA compiler is not installed (extra `cuda`)")
    assert done.returncode == 0, done.stderr


def test_it_is_the_polynomial_in_the_simulator():
    run(SIMULATED, NUMBA_ENABLE_CUDASIM="1")


def test_it_compiles_to_fused_multiply_adds():
    run(COMPILED)
