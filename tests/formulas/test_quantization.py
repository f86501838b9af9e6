"""The noise forms against weights that are drawn and rounded one by one."""

import math
import random

import pytest

from lessons.formulas import quantization as q

BOOK = [-1, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0, 0.0796, 0.1609, 0.2461, 0.3379]
BOOK += [0.4407, 0.5626, 0.723, 1]


def even(low, high, unit):
    return [i / unit for i in range(low, high + 1)]


def drawn(block, rounded, blocks=3000):
    """Return the noise of ``rounded(block)`` over normal blocks."""
    rng = random.Random(7)
    noise = power = 0.0
    for _ in range(blocks):
        x = [rng.gauss(0, 1) for _ in range(block)]
        noise += sum((a - b) ** 2 for a, b in zip(x, rounded(x)))
        power += sum(a * a for a in x)
    return noise / power


def to_levels(levels, signed=False):
    def rounded(x):
        largest = max(x, key=abs)
        scale = -largest if signed else abs(largest)
        return [scale * min(levels, key=lambda level: abs(level - a / scale)) for a in x]

    return rounded


def to_range(x):
    low, step = min(x), (max(x) - min(x)) / 15
    return [low + step * round((a - low) / step) for a in x]


@pytest.mark.parametrize("block", [8, 32, 64])
@pytest.mark.parametrize(
    ("levels", "signed"), [(even(-7, 7, 7), False), (even(-8, 7, 8), True), (BOOK, False)]
)
def test_absmax_noise_is_that_of_drawn_weights(block, levels, signed):
    assert q.absmax_noise(levels, block) == pytest.approx(drawn(block, to_levels(levels, signed)), rel=0.03)


@pytest.mark.parametrize("block", [8, 32])
def test_range_noise_is_that_of_drawn_weights(block):
    assert q.range_noise(16, block) == pytest.approx(drawn(block, to_range), rel=0.03)


E2M1 = [-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6]


def to_power_of_two(x):
    scale = 2.0 ** math.floor(math.log2(max(map(abs, x)))) / 4
    return [scale * min(E2M1, key=lambda level: abs(level - a / scale)) for a in x]


@pytest.mark.parametrize("block", [16, 32])
def test_power_of_two_noise_is_that_of_drawn_weights(block):
    assert q.power_of_two_noise(E2M1, 4, block) == pytest.approx(drawn(block, to_power_of_two), rel=0.03)


def test_a_scale_of_any_size_makes_less_noise_than_a_power_of_two():
    assert q.absmax_noise([x / 6 for x in E2M1], 32) < 0.9 * q.power_of_two_noise(E2M1, 4, 32)


def test_a_format_without_its_sign_would_be_found_out():
    """Levels that stop short of 1 need the sign: without it the largest weight is cut off half of the time."""
    levels = even(-8, 7, 8)
    assert drawn(32, to_levels(levels)) > 1.1 * q.absmax_noise(levels, 32)


def test_fine_levels_follow_the_steps_twelfth():
    """E[max^2] of a block, by the same quantiles, times the square of a step over 12."""
    block = 32
    largest = [q.NORMAL.inv_cdf((1 + u ** (1 / block)) / 2) for u in q._quantiles(q.QUANTILES)]
    expected = sum(m * m for m in largest) / len(largest) / 127**2 / 12 * (block - 1) / block
    assert q.absmax_noise(even(-127, 127, 127), block) == pytest.approx(expected, rel=2e-3)


def test_a_bit_is_worth_six_decibels():
    assert q.sine_sqnr(8) == pytest.approx(6.0206 * 8 + 1.7609, abs=1e-3)
    assert q.decibel(q.crest_noise(4, 7)) + 6.0 < q.decibel(q.crest_noise(4, 8)) < q.sine_sqnr(8)
    assert q.crest_noise(1e6) == 1


def test_the_crossover_is_where_the_bounds_meet():
    """Found by counting: the first row at which FP8 is faster than four-bit weights times 16-bit activations."""
    bf16, fp8, bandwidth, weights = 989.4e12, 1978.9e12, 3.35e12, 8e9

    def bound(rows, size, peak):
        return max(2 * rows * weights / peak, weights * size / bandwidth)

    first = next(n for n in range(1, 1000) if bound(n, 1, fp8) < bound(n, 4.5 / 8, bf16))
    assert first == math.ceil(q.crossover_rows(bf16, bandwidth, 1)) == 148
    waits = max(n for n in range(1, 1000) if bound(n, 4.5 / 8, bf16) == bound(1, 4.5 / 8, bf16))
    assert waits == math.floor(q.crossover_rows(bf16, bandwidth, 4.5 / 8)) == 83


def test_bits():
    assert q.bits_per_weight(4, 32) == 4.5
    assert q.bits_per_weight(4, 32, minimum=16) == 5
    assert q.bits_per_weight(4, 64, 32) == 4.5
    assert q.bits_per_weight(4, 32, scale=8) == 4.25  # MXFP4
    assert q.bits_per_weight(4, 16, scale=8) == 4.5  # NVFP4
    assert q.double_quantised_bits(4, 64) == pytest.approx(4 + 8 / 64 + 32 / (64 * 256))


def test_the_crest_of_normal_values():
    rng = random.Random(3)
    drawn = sorted(max(abs(rng.gauss(0, 1)) for _ in range(500)) for _ in range(401))[200]
    assert q.normal_crest(500) == pytest.approx(drawn, rel=0.03)
    assert math.isclose(q.normal_crest(1), 0.6745, rel_tol=1e-3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: q.absmax_noise([-1, 1], 1),
        lambda: q.range_noise(16, 2),
        lambda: q.bits_per_weight(0, 32),
        lambda: q.decibel(0),
        lambda: q.crest_noise(-1),
        lambda: q.power_of_two_noise([-1, 1], 1, 1),
        lambda: q.crossover_rows(1e12, 0, 1),
    ],
)
def test_bad_values_are_refused(call):
    with pytest.raises(ValueError, match="must be"):
        call()
