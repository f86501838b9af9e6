"""The numbers in the solutions of the chapter on quantization."""

import math

import numpy as np
import pytest
from pages import solution

from lessons.datasheets import accelerator, model
from lessons.formulas import quantization
from lessons.kernels.packed.formats import NF4_BOOK
from lessons.units import format_bytes, format_value

WEIGHTS = model("llama-3-8b").parameters
INT4, Q4_0 = [i / 7 for i in range(-7, 8)], [i / 8 for i in range(-8, 8)]


def says(label, *numbers):
    """Assert that a solution has these numbers."""
    text = solution("quantization", label)
    for number in numbers:
        assert number in text, f"{label}: {number}"


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("16 bits", 16),
        ("Q8_0", quantization.bits_per_weight(8, 32)),
        ("Q4_0", quantization.bits_per_weight(4, 32)),
        ("MXFP4", quantization.bits_per_weight(4, 32, scale=8)),
    ],
)
def test_bytes_and_tokens_of_a_service(name, bits):
    size = WEIGHTS * bits / 8
    rate = f"{accelerator('l4').bandwidth / size:.1f} tokens/s"
    (sentence,) = [
        part for part in solution("quantization", "ex-quant-service").split("/s.") if name in part
    ][:1]
    assert f"{format_bytes(size)} and {rate}" in sentence + "/s."


def test_larger_blocks_take_fewer_bits_and_lose():
    noise = [quantization.absmax_noise(INT4, block) for block in (32, 128)]
    lost = quantization.decibel(noise[0]) - quantization.decibel(noise[1])
    says("ex-quant-service", f"{quantization.bits_per_weight(4, 128)} bits", f"{lost + 1e-9:.1f} dB")


def test_the_noise_of_int4_over_that_of_q4_0():
    ratio = quantization.absmax_noise(INT4, 32) / quantization.absmax_noise(Q4_0, 32)
    says("ex-quant-int4", f"{ratio:.2f} of Q4_0's", f"{ratio:.2f} times the nats")


def test_the_roofs_of_the_log():
    card = accelerator("h100_sxm")
    reading = [WEIGHTS * size / card.bandwidth for size in (4.5 / 8, 1)]
    arithmetic = [2 * n * WEIGHTS / card.bf16 for n in (64, 128, 256)]
    says("ex-quant-crossover", *(format_value(t, "s") for t in (*reading, *arithmetic)))
    says(
        "ex-quant-crossover",
        f"from {math.ceil(quantization.crossover_rows(card.bf16, card.bandwidth, 1))} requests",
    )
    assert arithmetic[0] < reading[0] < arithmetic[1]
    # The log's times over the bounds: two thirds of the bound's rate.
    assert reading[0] / 1.9e-3 == pytest.approx(2 / 3, rel=0.1) and arithmetic[2] / 6.5e-3 == pytest.approx(
        2 / 3, rel=0.1
    )


def test_the_errors_of_two_layers():
    error = {crest: 100 * quantization.crest_noise(crest) ** 0.5 for crest in (60, 300, 5)}
    says(
        "ex-quant-outlier",
        f"{error[60]:.0f} % in layer A",
        f"{error[300]:.0f} % in layer B",
        f"{error[5]:.1f} %",
    )


def test_how_many_tokens_show_a_small_loss():
    says(
        "ex-quant-critique", f"{1.96 / math.sqrt(400):.3f} nats", f"{math.ceil((1.96 / 0.03) ** 2):,} tokens"
    )


def test_levels_of_lloyds_rule():
    x = np.random.default_rng(0).standard_normal((5000, 32))
    x /= np.abs(x).max(axis=1, keepdims=True)
    inner, levels = x[np.abs(x) < 1], np.array(NF4_BOOK)
    for _ in range(60):
        nearest = np.digitize(inner, (levels[1:] + levels[:-1]) / 2)
        levels = np.bincount(nearest, inner, minlength=16) / np.bincount(nearest, minlength=16)
        levels[[0, -1]] = -1, 1
    best = quantization.decibel(quantization.absmax_noise(levels.tolist(), 32))
    nf4 = quantization.decibel(quantization.absmax_noise(NF4_BOOK, 32))
    says("ex-quant-code", f"{best:.1f} dB", f"{nf4:.1f} dB")
    assert best - nf4 == pytest.approx(0.5, abs=0.05)


def test_a_wrong_number_is_not_in_a_solution():
    with pytest.raises(AssertionError, match="9 tokens"):
        says("ex-quant-service", "9 tokens/s of one card")
