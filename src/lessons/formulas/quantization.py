"""Quantised weights: the bits they take, and the noise that rounding a normal distribution makes.

Noise is a share of the signal's power throughout: the mean squared error over the mean square. A block of weights
shares one scale, set by its largest member. That member's distribution is known, and so is that of the others once
it is given, so that the noise of any set of levels is an integral over normal distributions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import NormalDist, fmean

from lessons.formulas.checks import positive, whole

NORMAL = NormalDist()
QUANTILES = 64  # of the largest weight of a block; twice as many move no decibel's second digit


def bits_per_weight(code: float, block: int, scale: float = 16, minimum: float = 0) -> float:
    """Return the bits that a weight takes with its share of the block's scale.

    Args:
        code: bits of the weight's own code.
        block: weights that share a scale.
        scale, minimum: bits of the block's scale and of its minimum, where it has one.

    Raises:
        ValueError: unless the block is a whole number and the code takes bits.
    """
    whole(block=block)
    positive(code=code)
    return code + (scale + minimum) / block


def double_quantised_bits(
    code: float, block: int, scale: float = 8, second_block: int = 256, second_scale: float = 32
) -> float:
    """Return the bits a weight takes when the scales are themselves quantised, in blocks of their own.

    Source: dettmers2023qlora, section 3.
    """
    return bits_per_weight(code, block, bits_per_weight(scale, second_block, second_scale))


def decibel(noise: float) -> float:
    """Return the ratio of signal to noise power in dB.

    Args:
        noise: mean squared error over mean square, above 0.
    """
    positive(noise=noise)
    return -10 * math.log10(noise)


def sine_sqnr(bits: int) -> float:
    """Return the textbook's 6.02 bits + 1.76 dB, which holds for a sine that fills a uniform quantiser's range."""
    whole(bits=bits)
    return decibel((2 / 2**bits) ** 2 / 12 / 0.5)


def absmax_noise(levels: Sequence[float], block: int) -> float:
    """Return the noise of normal weights whose block is scaled by its largest magnitude.

    Args:
        levels: what a scaled weight may become, rising, within -1 and 1. The largest weight of a block must be one
            of the ends: with levels from -1 to 1 it is at either; with less than 1 at the top it is taken to be
            at -1, as formats do whose scale has a sign (Q4_0).
        block: weights that share a scale.

    Raises:
        ValueError: unless the block is a whole number of at least 2.
    """
    whole(block=block, minimum=2)

    def noise(m: float) -> float:
        return _truncated_noise([m * x for x in levels], -m, m)

    quantiles = _quantiles(QUANTILES)
    largest = (NORMAL.inv_cdf((1 + u ** (1 / block)) / 2) for u in quantiles)
    return (block - 1) / block * fmean(noise(m) for m in largest)


def range_noise(codes: int, block: int) -> float:
    """Return the noise of normal weights when even steps span a block from its least to its largest weight (Q4_1).

    Args:
        codes: levels, both ends included: 16 for 4 bits.
        block: weights that share a scale and a minimum.

    Raises:
        ValueError: unless both are whole numbers of at least 2 and 3.
    """
    whole(codes=codes, minimum=2)
    whole(block=block, minimum=3)

    def noise(top: float, v: float) -> float:
        # The least of the others, which all lie below the largest: their distribution is cut off there.
        least = NORMAL.inv_cdf(NORMAL.cdf(top) * (1 - (1 - v) ** (1 / (block - 1))))
        step = (top - least) / (codes - 1)
        return _truncated_noise([least + i * step for i in range(codes)], least, top)

    tops = [NORMAL.inv_cdf(u ** (1 / block)) for u in _quantiles(QUANTILES // 2)]
    return (block - 2) / block * fmean(noise(top, v) for top in tops for v in _quantiles(QUANTILES // 2))


def crest_noise(crest: float, bits: int = 8) -> float:
    """Return the noise of a symmetric whole-number format whose scale is set by one largest value.

    Args:
        crest: the largest magnitude over the root mean square.
        bits: of a code; the codes reach from -(2^(bits-1) - 1) to its opposite.

    The error is taken to be even over a step. That fails where the crest is so large that a step is wider than
    the ordinary values, which then all become 0: the noise cannot exceed the signal.
    """
    positive(crest=crest)
    whole(bits=bits, minimum=2)
    return min(1.0, (crest / (2 ** (bits - 1) - 1)) ** 2 / 12)


def normal_crest(count: int) -> float:
    """Return the median crest of ``count`` normal values: the largest magnitude that half of all draws exceed."""
    whole(count=count)
    return NORMAL.inv_cdf((1 + 0.5 ** (1 / count)) / 2)


def _quantiles(n: int) -> Iterator[float]:
    return ((i + 0.5) / n for i in range(n))


def _truncated_noise(levels: Sequence[float], low: float, high: float) -> float:
    """Return E[(x - nearest level)^2] for a normal x between ``low`` and ``high``."""
    edges = [low, *((a + b) / 2 for a, b in pairwise(levels)), high]
    at = [(x, NORMAL.cdf(x), NORMAL.pdf(x)) for x in edges]
    # The integral of (x - c)^2 pdf(x) is (1 + c^2) cdf(x) - (x - 2 c) pdf(x).
    total = sum(
        (1 + c * c) * (cdf_b - cdf_a) - (b - 2 * c) * pdf_b + (a - 2 * c) * pdf_a
        for c, (a, cdf_a, pdf_a), (b, cdf_b, pdf_b) in zip(levels, at, at[1:])
    )
    return total / (at[-1][1] - at[0][1])
