"""The block formats against a plain loop written from ggml's description, block by block."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lessons.llm import quant


def plain(data: bytes, type: str) -> list[float]:
    """Decode one block, one weight at a time."""
    if type == "Q8_0":
        (scale,), q = struct.unpack("<e", data[:2]), struct.unpack("<32b", data[2:])
        return [scale * x for x in q]
    head = 2 if type == "Q4_0" else 4
    nibbles = [b & 15 for b in data[head:]] + [b >> 4 for b in data[head:]]
    if type == "Q4_0":
        (scale,) = struct.unpack("<e", data[:2])
        return [scale * (x - 8) for x in nibbles]
    scale, least = struct.unpack("<ee", data[:4])
    return [scale * x + least for x in nibbles]


@pytest.mark.parametrize("type, size", [("Q8_0", 34), ("Q4_0", 18), ("Q4_1", 20)])
def test_dequantize_follows_the_format(type, size):
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (50, size), dtype=np.uint8)
    heads = 2 if type == "Q4_1" else 1
    blocks[:, : 2 * heads] = rng.normal(size=(50, heads)).astype("<f2").view(np.uint8)
    got = quant.dequantize(blocks.ravel(), type)
    want = np.concatenate([plain(bytes(block), type) for block in blocks])
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_plain_floats_come_back():
    x = np.array([0.5, -1.25, 3.0], np.float32)
    assert quant.dequantize(x.view(np.uint8), "F32").tolist() == x.tolist()
    assert quant.dequantize(x.astype("<f2").view(np.uint8), "F16").tolist() == x.tolist()


finite = st.floats(-1e4, 1e4, width=32).filter(lambda x: x == 0 or abs(x) > 1e-2)


@given(arrays(np.float32, (3, 64), elements=finite))
def test_error_of_a_round_trip_is_within_half_a_step(x):
    blocks = x.reshape(-1, 32)
    largest = np.abs(blocks).max(axis=1, keepdims=True)
    for type, step, side in [("Q8_0", largest / 127, 0.5), ("Q4_0", largest / 8, 1.0)]:
        back = quant.dequantize(quant.quantize(x, type), type).reshape(blocks.shape)
        # Q4_0 has no code for the far end opposite the extreme: it is off by up to a whole step there. The
        # scale itself is rounded to float16, by at most 2^-11 of the weight.
        assert (np.abs(back - blocks) <= side * step + largest * 2.0**-10).all(), type


def test_quantized_weights_quantize_to_themselves():
    x = quant.dequantize(quant.quantize(np.random.default_rng(1).normal(size=(8, 64)), "Q8_0"), "Q8_0")
    again = quant.dequantize(quant.quantize(x.reshape(8, 64), "Q8_0"), "Q8_0")
    np.testing.assert_allclose(again, x, rtol=2e-3)


def test_zeros_stay_zeros():
    for type in ("Q8_0", "Q4_0"):
        assert not quant.dequantize(quant.quantize(np.zeros(32, np.float32), type), type).any()


def test_published_error_of_q4_0():
    """On Gaussian weights Q4_0 with blocks of 32 has a signal-to-noise ratio of 21.3 dB."""
    x = np.random.default_rng(2).normal(size=1 << 18).astype(np.float32)
    error = quant.dequantize(quant.quantize(x, "Q4_0"), "Q4_0") - x
    assert 10 * np.log10((x**2).mean() / (error**2).mean()) == pytest.approx(21.3, abs=0.1)


def test_bad_input():
    with pytest.raises(ValueError, match="no whole blocks"):
        quant.quantize(np.zeros(33, np.float32), "Q8_0")
    with pytest.raises(ValueError, match="Q9_9"):
        quant.quantize(np.zeros(32, np.float32), "Q9_9")
    with pytest.raises(ValueError, match="Q9_9"):
        quant.dequantize(np.zeros(34, np.uint8), "Q9_9")
