"""Peak multiply-adds in registers, against C with as many chains of the same width."""

from __future__ import annotations

from ctypes import c_double, c_long

import common
import gcc

from lessons.kernels.fma import flop, fma
from lessons.measure import compare

ROUNDS = 1 << 17


def against_c(c_code, dtype: str):
    """Compare one dtype on one thread."""
    peak = getattr(c_code, f"peak_{dtype}")
    peak.argtypes, peak.restype = [c_long, c_double, c_double], c_double
    return compare(lambda: fma(dtype, ROUNDS), lambda: peak(ROUNDS, 0.5, 0.5), rounds=60)


def measure_once() -> common.Record:
    """Compare float32; report float64 beside."""
    c_code = gcc.load("peak")
    single, double = against_c(c_code, "float32"), against_c(c_code, "float64")
    return common.record(
        single,
        flop("float32", ROUNDS),
        "FLOP/s",
        1,
        ratio_float64=double.ratio.value,
        ours_float64=flop("float64", ROUNDS) / double.ours.value,
    )


if __name__ == "__main__":
    common.main(measure_once, bar=0.98)
