"""One row times a Q8_0 matrix, ours against ggml's: int8 weights and activations, one thread.

``ratio_read`` is ours against a plain read of the same weights in the same process: 1 is as fast as memory.
"""

from __future__ import annotations

import common
import ggml
import numpy as np

from lessons.kernels.packed import linear, pack
from lessons.kernels.stream import stream
from lessons.llm import quant
from lessons.measure import compare

# 75 MB in 4 bits and 143 MB in 8. A matrix about as large as the last cache would make the plain read one of the cache.
ROWS, COLUMNS = 32768, 4096
ERROR = 0.04  # of the spread of the results: the largest that int8 activations may be off among so many


def matrix(type: str) -> tuple[np.ndarray, object, np.ndarray]:
    """Return a random matrix in ggml's blocks and packed, and a row of activations."""
    draw = np.random.default_rng(0)
    data = np.concatenate(
        [quant.quantize(draw.standard_normal((1024, COLUMNS), np.float32), type) for _ in range(ROWS // 1024)]
    )
    codes, scales, _ = quant.codes(data, type)
    shape = ROWS, COLUMNS // quant.BLOCK
    packed = pack(codes.reshape(ROWS, COLUMNS), scales.reshape(shape), format=type)
    return data, packed, draw.standard_normal(COLUMNS, np.float32)


def check(name: str, result: np.ndarray, data: np.ndarray, type: str, x: np.ndarray) -> None:
    """End the benchmark when a result is not that of the dequantised weights."""
    want = quant.dequantize(data, type).reshape(ROWS, COLUMNS) @ x
    error = np.abs(result.ravel() - want).max() / want.std()
    if error > ERROR:
        raise SystemExit(f"{name} is off by {error:.3f} of the result's spread; {ERROR} is allowed")


def against_read(ours, packed) -> float:
    """Return the time of a plain read of the packed weights over that of the product."""
    words = packed.data.view(np.float64).ravel()
    return compare(ours, lambda: stream("read", words, words, threads=1), rounds=12).ratio.value


def measure_once() -> common.Record:
    """Compare the products."""
    data, packed, x = matrix("Q8_0")
    row = x[None]

    def ours() -> np.ndarray:
        return linear(row, packed, arithmetic="int8", threads=1)

    theirs = ggml.product(ggml.Q8_0, data, ROWS, COLUMNS, x)
    check("ours", ours(), data, "Q8_0", x)
    check("ggml", theirs(), data, "Q8_0", x)
    comparison = compare(ours, theirs, rounds=24)
    return common.record(comparison, packed.nbytes, "B/s", 1, ratio_read=against_read(ours, packed))


if __name__ == "__main__":
    common.main(measure_once, bar=1.1, other_bars={"ratio_read": 0.8})
