"""What Q4_0 must do. Each message says what went wrong."""

import numpy as np
import pytest
from q4_0 import BLOCK, dequantize, quantize

from lessons.formulas import quantization


def normal(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def test_a_weight_takes_four_and_a_half_bits():
    scales, codes = quantize(normal(64))
    assert (scales.dtype, codes.dtype) == (np.float16, np.uint8), (
        "scales are float16, codes are packed into uint8"
    )
    assert (scales.shape, codes.shape) == ((2,), (2, 16)), "32 codes of 4 bits are 16 bytes"
    assert 8 * (scales.nbytes + codes.nbytes) / 64 == quantization.bits_per_weight(4, BLOCK)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_weight_gets_the_code_that_has_no_opposite(sign):
    weights = np.zeros(32, np.float32)
    weights[3], weights[20] = sign * 4.0, -sign * 3.5
    scales, codes = quantize(weights)
    assert scales[0] == sign * -0.5, "the scale is the largest weight, with its sign, over -8"
    assert codes[0, 3] & 15 == 0, (
        "the largest weight has the code -8, stored as 0 in the lower half of byte 3"
    )
    assert codes[0, 4] >> 4 == 15, "weight 20 has the code 7, stored as 15 in the upper half of byte 4"


def test_what_is_beyond_the_last_level_is_cut_off_and_not_wrapped_around():
    weights = np.zeros(32, np.float32)
    weights[0], weights[1] = 1.0, -1.0
    scales, codes = quantize(weights)
    back = dequantize(scales, codes)
    assert back[0] == 1, "the first of the two largest sets the scale"
    assert back[1] == -0.875, "its opposite would need the code 8; the last one is 7"


def test_weights_come_back_within_half_a_step():
    weights = normal(32 * 100)
    scales, codes = quantize(weights)
    back = dequantize(scales, codes)
    assert back.dtype == np.float32 and back.shape == weights.shape
    step = np.abs(scales.astype(np.float32)).repeat(32)
    cut = np.abs(weights / scales.astype(np.float32).repeat(32)) > 7  # the last step has only one level
    assert (np.abs(back - weights) <= 0.51 * step)[~cut].all(), (
        "round to the nearest level of the stored scale"
    )
    order = np.corrcoef(back, weights)[0, 1]
    assert order > 0.99, "the codes come back in another order: byte i holds weights i and i + 16"


def test_zeros_come_back_and_a_wrong_length_is_refused():
    assert not dequantize(*quantize(np.zeros(64, np.float32))).any(), "a block of zeros comes back as zeros"
    with pytest.raises(ValueError, match="32"):
        quantize(normal(40))


def test_normal_weights_get_the_noise_of_the_closed_form():
    weights = normal(32 * 5000, seed=1)
    back = dequantize(*quantize(weights))
    noise = np.mean((back - weights) ** 2) / np.mean(weights**2)
    levels = [code / 8 for code in range(-8, 8)]
    expected = quantization.absmax_noise(levels, 32)
    assert noise == pytest.approx(expected, rel=0.03), (
        f"{quantization.decibel(noise):.1f} dB instead of {quantization.decibel(expected):.1f}: are all codes used?"
    )
