"""Every CUDA kernel compiles to PTX for an A100 and an H100, without a GPU or a driver."""

from __future__ import annotations

import importlib.util
import os
import re
from functools import cache

import pytest

if importlib.util.find_spec("numba_cuda") is None:
    pytest.skip("numba-cuda is not installed: pip install -e '.[cuda]'", allow_module_level=True)
if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
    pytest.skip("the simulator compiles nothing", allow_module_level=True)

from numba import cuda, float32, float64, int32, int64, void

from lessons.kernels.attention import cuda as attention
from lessons.kernels.chase import cuda as chase
from lessons.kernels.copy import cuda as copy
from lessons.kernels.fma import cuda as fma
from lessons.kernels.gemm import cuda as gemm
from lessons.kernels.gemv import cuda as gemv
from lessons.kernels.horner import cuda as horner
from lessons.kernels.packed import cuda as packed
from lessons.kernels.packed.formats import FORMATS
from lessons.kernels.shared import cuda as shared
from lessons.kernels.stream import cuda as stream
from lessons.kernels.strided import cuda as strided
from lessons.kernels.transpose import cuda as transpose

f64, f32, i32 = float64[::1], float32[:, ::1], int32[::1]
cube, tall = float32[:, :, ::1], float32[:, :, :, ::1]
tiles = int32[:, :, ::1]
ATTEND = void(cube, cube, cube, i32, int64, int64, int64, tall, tall)

# name -> kernel, its types, an instruction without which it would not do its work
KERNELS = {
    **{k: (f, void(f64, f64, f64, float64), r"st\.global\S*64") for k, f in stream.WRITES.items()},
    "read": (stream.read, void(f64, f64, int64), r"ld\.shared"),
    "chase": (chase.walk, void(int64[::1], int64, int64[::1], int64[::1]), r"ld\.global\S*64"),
    "fma32": (fma.KERNELS["float32"], void(int64, float32, float32, f64), r"fma\.rn\S*\.f32"),
    "fma64": (fma.KERNELS["float64"], void(int64, float64, float64, f64), r"fma\.rn\S*\.f64"),
    "horner": (horner.kernel(), void(float32[::1], float32[::1], int64, float64), r"fma\.rn\S*\.f32"),
    "gemv1": (gemv.kernel(1, False), void(f32, f32, f32), r"shfl\.sync\.bfly"),
    "gemv8": (gemv.kernel(8, False), void(f32, f32, f32), r"shfl\.sync\.bfly"),
    "gemv_bf16": (gemv.kernel(1, True), void(f32, int32[:, ::1], f32), r"shl\.b32"),
    "gemv_memory": (gemv.kernel(2, False, shuffles=False), void(f32, f32, f32), r"ld\.shared"),
    "gemm_naive": (gemm.naive, void(f32, f32, f32), r"fma\.rn\S*\.f32"),
    "gemm_tiled": (gemm.tiled, void(f32, f32, f32), r"bar\.sync"),
    "gemm_registers": (gemm.registers, void(f32, f32, f32), r"ld\.shared"),
    "copy_several": (copy.several, void(f64, f64), r"ld\.global\S*64"),
    "attention64": (attention.partial(64), ATTEND, r"ex2\.approx"),
    "attention128": (attention.partial(128), ATTEND, r"ld\.shared"),
    **{
        f"packed{rows}_{name}": (packed.kernel(name, rows), void(f32, tiles, f32), r"fma\.rn\.f32")
        for name in FORMATS
        for rows in (1, 16)
    },
    **{f"expand_{name}": (packed.expand_kernel(name), void(tiles, f32), r"st\.global") for name in FORMATS},
    "shared": (shared.steps, void(int64, int64, int32[::1]), r"ld\.shared\S*32"),
    "strided": (strided.read, void(f64, float32[::1], int64), r"ld\.global\S*32"),
    "transpose_naive": (transpose.naive, void(f32, f32), r"st\.global\S*32"),
    **{
        f"transpose_{way}": (transpose.tiled(*layout), void(f32, f32), r"ld\.shared\S*32")
        for way, layout in transpose.LAYOUTS.items()
    },
    "merge": (attention.merge, void(tall, tall, cube), r"ex2\.approx"),
}


@cache
def ptx(name, capability):
    kernel, types, _ = KERNELS[name]
    text, _ = cuda.compile_ptx(kernel.py_func, types, cc=capability)
    return text


@pytest.mark.parametrize("capability", [(8, 0), (9, 0)])
@pytest.mark.parametrize("name", KERNELS)
def test_compiles(name, capability):
    text, instruction = ptx(name, capability), KERNELS[name][2]
    assert f".target sm_{capability[0]}{capability[1]}" in text
    assert re.search(instruction, text)


@pytest.mark.parametrize("name", ["fma32", "fma64"])
def test_every_chain_is_a_register(name):
    """Chains in local memory would measure the cache, and a merged chain would count FLOP that nobody did."""
    text = ptx(name, (9, 0))
    assert not re.search(r"(ld|st)\.local", text)
    assert len(re.findall(r"fma\.rn", text)) >= 12


@pytest.mark.parametrize(
    ("name", "space", "each"),
    [("gemm_naive", "global", 2.0), ("gemm_tiled", "shared", 2.0), ("gemm_registers", "shared", 0.5)],
)
def test_each_multiply_add_of_the_product_costs_the_loads_that_are_counted_for_it(name, space, each):
    """And what a thread sums up stays in registers."""
    kernel, types, _ = KERNELS[name]
    text, _ = cuda.compile_ptx(kernel.py_func, types, cc=(9, 0))
    loads, sums = (len(re.findall(what, text)) for what in (rf"ld\.{space}\.f32", r"fma\.rn\.f32"))
    assert loads == each * sums > 0
    assert not re.search(r"(ld|st)\.local|\.f64", text)


def test_a_copy_of_several_words_loads_all_before_it_stores_the_first():
    kernel, types, _ = KERNELS["copy_several"]
    text, _ = cuda.compile_ptx(kernel.py_func, types, cc=(9, 0))
    assert not re.search(r"(ld|st)\.local", text)
    order = "".join(move[0] for move in re.findall(r"(ld|st)\.global\S*64", text))
    assert "l" * copy.WORDS + "s" * copy.WORDS in order


PACKED = [name for name in KERNELS if name.startswith("packed")]


@pytest.mark.parametrize("name", ["gemv1", "gemv8", "gemv_bf16", *PACKED])
def test_sums_of_the_product_stay_in_registers(name):
    text = ptx(name, (9, 0))
    assert not re.search(r"(ld|st)\.local", text)


@pytest.mark.parametrize("name", PACKED)
def test_packed_codes_become_floats_without_slow_instructions(name):
    """A conversion from 64 bits or arithmetic in float64 runs at a fraction of the speed of float32."""
    text = ptx(name, (9, 0))
    assert not re.search(r"cvt\.rn\.f32\.[su]64|\.f64", text)


def test_peak_in_float32_uses_no_float64_multiply():
    text = ptx("fma32", (9, 0))
    assert "fma.rn.f64" not in text and "mul.f64" not in text


def test_a_read_of_shared_memory_costs_no_more_instructions_than_hide_behind_it():
    """Four warps may issue in a cycle in which the banks serve one: more than four would hide the banks."""
    kernel, types, _ = KERNELS["shared"]
    text, _ = cuda.compile_ptx(kernel.py_func, types, cc=(9, 0))
    reads = [m.start() for m in re.finditer(r"ld\.shared", text)]
    assert len(reads) >= 8
    between = text[reads[0] : reads[-1]].count(";")
    assert between <= 4 * (len(reads) - 1)
