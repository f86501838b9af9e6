import numpy as np
import pytest
from numba import types
from numba.extending import intrinsic

from lessons.kernels.tools import exponential, simd
from lessons.kernels.tools.jit import njit

LANES = 16


def kernel(function):
    @intrinsic
    def apply(typing, source, target):
        def codegen(context, builder, signature, args):
            x = simd.load(builder, args[0], simd.vector(simd.f32, LANES), 4)
            simd.store(builder, function(builder, x), args[1], 4)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    @njit("void(int64, int64, int64)")
    def run(source, target, count):
        for i in range(0, count, LANES):
            apply(source + 4 * i, target + 4 * i)

    return run


def values(function, x):
    out = np.full_like(x, np.nan)
    kernel(function)(x.ctypes.data, out.ctypes.data, len(x))
    return out


@pytest.mark.parametrize("function, exact", [(exponential.exp2, np.exp2), (exponential.exp, np.exp)])
def test_the_error_is_below_two_units_in_the_last_place(function, exact):
    x = np.concatenate([-np.logspace(-9, 1.93, 40_000), -np.linspace(0, 86, 40_000)]).astype("float32")
    want = exact(x.astype("float64"))
    unit = np.spacing(want.astype("float32")).astype("float64")
    assert (np.abs(values(function, x) - want) / unit).max() < 2


@pytest.mark.parametrize("function", [exponential.exp2, exponential.exp])
def test_what_is_far_below_becomes_zero_and_a_nan_stays_one(function):
    x = np.full(LANES, -1.0, "float32")
    # Not only the processor's own NaN: one whose low bits are set must not turn into a number either.
    x[:6] = [-np.inf, -3e38, -130, np.nan, -0.0, 0.0]
    x[6] = np.array([0x7FC00155], "uint32").view("float32")[0]
    got = values(function, x)
    assert (got[:3] == 0).all() and np.isnan(got[[3, 6]]).all() and (got[4:6] == 1).all()
