"""The roofline: how fast an operation can go, from the FLOP it does and the bytes it moves."""

from __future__ import annotations

import math
from typing import NamedTuple

from lessons.formulas.checks import not_negative, positive, whole


class Work(NamedTuple):
    """What one operation costs.

    Attributes:
        flop: floating-point operations, a fused multiply-add counted as 2.
        bytes: bytes that must cross the memory interface when every operand is touched exactly once
            (compulsory traffic). Write-allocate traffic is extra: see ``lessons.formulas.memory``.
    """

    flop: float
    bytes: float

    @property
    def intensity(self) -> float:
        """Operational intensity in FLOP/byte."""
        return self.flop / self.bytes


def attainable(intensity: float, peak: float, bandwidth: float) -> float:
    """Return the roof over ``intensity``: min(peak, intensity x bandwidth), in FLOP/s.

    Args:
        intensity: FLOP/byte, 0 or more.
        peak: FLOP/s, of the dense data type in use.
        bandwidth: B/s of the level at which the intensity was counted.

    Raises:
        ValueError: for a negative intensity, or a peak or bandwidth that is not positive.

    Source: williams2009roofline.
    """
    not_negative(intensity=intensity)
    positive(peak=peak, bandwidth=bandwidth)
    return min(peak, intensity * bandwidth)


def ridge(peak: float, bandwidth: float) -> float:
    """Return the least intensity, in FLOP/byte, that attains ``peak`` (FLOP/s) at ``bandwidth`` (B/s).

    Raises:
        ValueError: unless both are positive.

    Source: williams2009roofline.
    """
    positive(peak=peak, bandwidth=bandwidth)
    return peak / bandwidth


def time_bound(work: Work, peak: float, bandwidth: float) -> float:
    """Return the least time for ``work`` in seconds: the longer of its arithmetic and its traffic.

    Perfect overlap of the two is assumed, so that a real run can only be slower.

    Args:
        work: FLOP and bytes.
        peak: FLOP/s.
        bandwidth: B/s.

    Raises:
        ValueError: unless peak and bandwidth are positive and the work is not negative.

    Source: williams2009roofline.
    """
    not_negative(flop=work.flop, bytes=work.bytes)
    positive(peak=peak, bandwidth=bandwidth)
    return max(work.flop / peak, work.bytes / bandwidth)


def time_floor(work: Work, peak: float, bandwidth: float, calls: float, call: float) -> float:
    """Return the least time for ``work`` in seconds where it is split into calls: a third roof beside the other two.

    Args:
        work, peak, bandwidth: as for ``time_bound``.
        calls: calls that the work is split into.
        call: seconds that each of them takes at least, however small: the time to make it, or to launch it.

    Raises:
        ValueError: as ``time_bound``, and for a negative number of calls or cost of a call.

    Source: williams2009roofline for two of the three; the third is this book's.
    """
    not_negative(calls=calls, call=call)
    return max(time_bound(work, peak, bandwidth), calls * call)


def limit(work: Work, peak: float, bandwidth: float) -> str:
    """Return "bandwidth" left of the ridge and "compute" at it or right of it; units as in ``ridge``."""
    return "bandwidth" if work.intensity < ridge(peak, bandwidth) else "compute"


def vector_add(n: int = 1, itemsize: float = 4) -> Work:
    """Return the work of c = a + b over ``n`` elements of ``itemsize`` bytes: 1/12 FLOP/byte in float32."""
    whole(n=n)
    positive(itemsize=itemsize)
    return Work(n, 3 * n * itemsize)


def dot(n: int = 1, itemsize: float = 4) -> Work:
    """Return the work of a dot product of length ``n``: 1/4 FLOP/byte in float32."""
    whole(n=n)
    positive(itemsize=itemsize)
    return Work(2 * n, 2 * n * itemsize)


def gemm(m: int, n: int, k: int, itemsize: float = 2, weight_itemsize: float | None = None) -> Work:
    """Return the work of y [m, n] = x [m, k] times w [k, n], each matrix crossing the interface once.

    For m = 1 this is a matrix-vector product. As n and k grow, the intensity tends to 2 m / itemsize; a
    square product in float32 has n / 6.

    Args:
        m: rows of x: the tokens that share one reading of the weights.
        n: columns of w.
        k: the dimension that is summed over.
        itemsize: bytes of an element of x and y.
        weight_itemsize: bytes of an element of w where they differ (0.5 for 4-bit weights).

    Raises:
        ValueError: unless sizes are whole and positive.
    """
    whole(m=m, n=n, k=k)
    weight_itemsize = itemsize if weight_itemsize is None else weight_itemsize
    positive(itemsize=itemsize, weight_itemsize=weight_itemsize)
    return Work(2 * m * n * k, (m * k + m * n) * itemsize + n * k * weight_itemsize)


def gemv(n: int, k: int, itemsize: float = 2) -> Work:
    """Return the work of a matrix-vector product with an [n, k] matrix: ``gemm`` with one row."""
    return gemm(1, n, k, itemsize)


def tile_side(cache: float, itemsize: float = 4) -> int:
    """Return the side of the largest square tile of which three fit in ``cache`` bytes, rounded down to a power of two.

    Three, because a product needs one of each factor and one of the result.

    Raises:
        ValueError: unless at least three numbers fit.
    """
    positive(itemsize=itemsize)
    if cache < 3 * itemsize:
        raise ValueError(
            f"cache is {cache}, but three tiles of one number need {3 * itemsize} bytes; give it more"
        )
    return 1 << (math.isqrt(int(cache / (3 * itemsize))).bit_length() - 1)


def tiled_product(n: int, tile: int, itemsize: float = 4) -> Work:
    """Return the work of a square product [n, n] x [n, n] with the bytes that move where only tiles of it are kept.

    The result is made tile by tile. For each of its tiles, every tile of a row of one factor and of a column of the
    other is brought in: each factor moves n / tile times, and the result once. With one tile of side n these are the
    bytes of ``gemm``; with tiles of one number nothing is used again.

    Args:
        n: rows and columns.
        tile: side of a tile, a divisor of n.
        itemsize: bytes of a number.

    Raises:
        ValueError: unless sizes are whole and positive and tile divides n.

    Source: williams2009roofline for counting at a level; the count is this book's.
    """
    whole(n=n, tile=tile)
    positive(itemsize=itemsize)
    if n % tile:
        raise ValueError(f"tile is {tile}, but must divide n, {n}; take a power of two for both")
    return Work(2 * n**3, (2 * n**3 // tile + n**2) * itemsize)


def experts_read(tokens: float, experts: int, active: int) -> float:
    """Return how many experts of a layer a step over ``tokens`` tokens is expected to read.

    Each token picks ``active`` different experts of ``experts``. Where all picks are alike likely and independent of
    each other, an expert is left out by all tokens with the probability (1 - active / experts)^tokens. Real routers
    prefer some experts, and then read fewer.

    Raises:
        ValueError: unless sizes are positive, and active is at most experts.
    """
    positive(tokens=tokens)
    whole(experts=experts, active=active)
    if active > experts:
        raise ValueError(f"active is {active}, but there are {experts} experts; it can be that many at most")
    return experts * (1 - (1 - active / experts) ** tokens)


def expert_layer(tokens: int, experts: int, active: int, hidden: int, ffn: int, itemsize: float = 2) -> Work:
    """Return the work of a layer's experts in one step: three matrices [hidden, ffn] of each expert that is read.

    The tokens' own numbers are left out, as they are few beside the weights. With many tokens the intensity tends to
    2 tokens active / (experts itemsize): what counts are the tokens *per expert*. A dense layer has one expert, always
    active.

    Args:
        tokens: in the step.
        experts, active: of the layer, and of a token.
        hidden, ffn: sizes of one expert.
        itemsize: bytes of a weight.

    Raises:
        ValueError: unless sizes are whole and positive, and active is at most experts.
    """
    whole(tokens=tokens, hidden=hidden, ffn=ffn)
    positive(itemsize=itemsize)
    weights = 3 * hidden * ffn
    return Work(2 * tokens * active * weights, experts_read(tokens, experts, active) * weights * itemsize)


def horner(degree: int, n: int = 1, itemsize: float = 4, streams: int = 2) -> Work:
    """Return the work of evaluating a polynomial at ``n`` points: the knob that raises intensity alone.

    Args:
        degree: steps of Horner's rule, one fused multiply-add (2 FLOP) each.
        n: points.
        itemsize: bytes of a point.
        streams: 2 where each point is read and its value written, 1 where values are only summed, 3 where the
            written line is read first (write-allocate).

    Raises:
        ValueError: unless all are whole and positive.
    """
    whole(degree=degree, n=n, streams=streams)
    positive(itemsize=itemsize)
    return Work(2 * degree * n, streams * n * itemsize)


def attention(
    queries: int, length: int, heads: int, kv_heads: int, head_dim: int, itemsize: float = 2
) -> Work:
    """Return the work of exact attention for one sequence, scores kept on the chip.

    The two products, q k^T and p v, cost 2 FLOP each per query, key and channel; the softmax is left out, and
    so is the causal mask. K and V are read once per K/V head and Q and the output once per query head, so
    that decoding (``queries=1``) has an intensity near heads / kv_heads at 16 bits, whatever the length.

    Args:
        queries: new tokens: 1 when decoding, the prompt when prefilling.
        length: tokens attended to.
        heads: query heads.
        kv_heads: K/V heads.
        head_dim: channels of a head.
        itemsize: bytes of an element.

    Raises:
        ValueError: unless sizes are whole and positive and heads is a multiple of kv_heads.

    Source: dao2022flashattention for the traffic, ainslie2023gqa for shared heads.
    """
    whole(queries=queries, length=length, heads=heads, kv_heads=kv_heads, head_dim=head_dim)
    positive(itemsize=itemsize)
    if heads % kv_heads:
        raise ValueError(
            f"heads is {heads}, but must be a multiple of kv_heads, {kv_heads}; "
            "every K/V head serves one group of query heads"
        )
    flop = 4 * queries * length * heads * head_dim
    moved = 2 * (length * kv_heads + queries * heads) * head_dim * itemsize
    return Work(flop, moved)
