"""The CUDA kernels give the references' answers: in Numba's simulator everywhere, and on a device where one is."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).parent / "cuda_checks.py"
NAMES = [
    "check_stream",
    "check_chase",
    "check_fma",
    "check_gemv",
    "check_gemm",
    "check_copy",
    "check_attention",
    "check_packed",
    "check_packed_matrix",
    "check_shared",
    "check_strided",
    "check_transpose",
]


def _load():
    spec = importlib.util.spec_from_file_location("cuda_checks", CHECKS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_in_the_simulator():
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(CHECKS)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_on_a_device(name):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device; the simulator's test covers the logic")
    getattr(_load(), name)("cuda")


def test_public_functions_take_tensors_of_a_device():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    from lessons.kernels.attention import decode
    from lessons.kernels.gemv import linear
    from lessons.kernels.stream import stream

    b = torch.ones(1024, dtype=torch.float64, device="cuda")
    assert float(stream("read", b, b)) == 1024
    x, w = torch.ones(2, 64, device="cuda"), torch.ones(8, 64, device="cuda")
    assert torch.equal(linear(x, w).cpu(), torch.full((2, 8), 64.0))
    k = torch.ones(1, 32, 16, device="cuda")
    assert torch.allclose(decode(torch.ones(1, 2, 16, device="cuda"), k, k, 20).cpu(), torch.ones(1, 2, 16))
