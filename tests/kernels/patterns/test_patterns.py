"""The patterns read what they say they read, in the simulator, and compile for a device."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from lessons.formulas import warp
from lessons.kernels import patterns

# What each lane of a pattern must have got of x = 0, 1, 2, ...: so a swizzle that loses a word is seen.
LANE = np.arange(32)
FOURS = 4 * 32 * LANE + 6  # the sum of the first four words of row i of 32
VALUES = {
    "stride 3": 3 * LANE,
    "shifted 8": 8 + LANE,
    "backwards": 31 - LANE,
    "column": 64 * LANE,
    "struct fields": 16 * LANE + 6,
    "array fields": 4 * LANE + 6 * 32,
    "vectors 2": 32 * LANE + 6,
    "vector column": 256 * LANE + 6,
    "vector pairs": 4 * (64 * (LANE // 2) + 4 * (LANE % 2)) + 6,
    "tile stride 16": 16 * LANE,
    "tile two words": 32 * (LANE // 16),
    **{f"tile column {kind}": 32 * LANE + 5 for kind in ("32", "33", "swizzled")},
    "tile pairs": 4 * LANE + 1,
    **{f"tile pair column {pitch}": 64 * LANE + 1 for pitch in (32, 34)},
    "tile fours": 16 * LANE + 6,
    **{f"tile four column {kind}": FOURS for kind in ("32", "36", "40", "swizzled")},
    **{f"tile four 8 x 4 {pitch}": 4 * (32 * (LANE % 8) + 4 * (LANE // 8)) + 6 for pitch in (32, 36)},
    "tile four words 33": FOURS,
}


@pytest.mark.parametrize("name", VALUES)
def test_lanes_get_the_words_that_the_pattern_names(name):
    assert list(patterns.log()[name].out) == list(VALUES[name])


def test_a_table_sends_each_lane_to_its_own_sector_or_word():
    log = patterns.log()
    assert sorted(log["shuffled"].out) == list(LANE)
    assert len({int(value) // 8 for value in log["scattered"].out}) == 32


def test_the_helpers_for_addresses_give_those_of_the_log():
    """What a reader may work out by hand with ``formulas.warp`` is what the kernels did."""
    log = patterns.log()

    def read(name):
        return next(a for a in log[name].accesses if a.kind == "read" and a.array == "shared")

    assert read("tile column 33").addresses == tuple(warp.stride(4 * 33, 4 * 5))
    assert read("tile column swizzled").addresses == tuple(warp.swizzled_column(5))
    assert read("tile four column 36").addresses == tuple(warp.stride(4 * 36))
    assert read("tile four column swizzled").addresses == tuple(warp.swizzled_column(0, words=4))
    assert read("tile four 8 x 4 32").addresses == tuple(warp.tile(4 * 32, 8, 16))
    assert {read(name).width for name in ("tile four column 36", "tile fours")} == {16}


COMPILED = """
from numba import cuda, float32, int64, void
from lessons.kernels.patterns import launches

kinds = {"int32": __import__("numba").int32[::1]}
done = set()
for launch in launches.LAUNCHES.values():
    if launch.dtype == "float32" and launch.kernel.py_func not in done:
        done.add(launch.kernel.py_func)
        x = {1: float32[::1], 2: float32[:, ::1], 3: float32[:, :, ::1]}[len(launch.shape)]
        rest = [kinds["int32"] if hasattr(a, "dtype") else int64 for a in launch.args]
        text, _ = cuda.compile_ptx(launch.kernel.py_func, void(x, float32[::1], *rest), cc=(9, 0))
        assert "ld.global" in text
print(len(done))
"""


def test_they_compile_for_a_device():
    if importlib.util.find_spec("numba_cuda") is None:
        pytest.skip("numba-cuda is not installed: pip install -e '.[cuda]'")
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run([sys.executable, "-c", COMPILED], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 15
