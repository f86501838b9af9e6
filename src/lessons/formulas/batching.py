"""Batching: how full the slots are under static and continuous scheduling, and how long a step takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lessons.formulas.checks import not_negative, positive, whole


def harmonic(n: int) -> float:
    """Return H_n = 1 + 1/2 + ... + 1/n."""
    whole(n=n)
    return math.fsum(1 / i for i in range(1, n + 1))


def static_utilization_exponential(batch: int) -> float:
    """Return the share of slot-steps a static batch uses when lengths are exponential: 1 / H_batch.

    A static batch lasts as long as its longest member, so the share is E[length] / E[longest of the batch].

    Raises:
        ValueError: unless batch is a whole number of 1 or more.

    Source: yu2022orca names the effect; the closed form is the mean of the largest of exponential variables.
    """
    return 1 / harmonic(batch)


def static_utilization_uniform(batch: int) -> float:
    """Return the same share for lengths spread evenly from 0 to any limit: (batch + 1) / (2 batch)."""
    whole(batch=batch)
    return (batch + 1) / (2 * batch)


def static_utilization(lengths: Sequence[float], batch: int) -> float:
    """Return the share for a given length mix: its mean over the expected longest of ``batch`` draws from it.

    Args:
        lengths: output lengths in tokens; each is as likely as any other, drawn with replacement.
        batch: slots.

    Raises:
        ValueError: for an empty mix, a length that is not positive, or a batch below 1.

    Source: yu2022orca.
    """
    whole(batch=batch)
    if not lengths:
        raise ValueError("lengths holds 0 values, but needs 1 or more; give the output lengths of the mix")
    for length in lengths:
        positive(length=length)
    n = len(lengths)
    # The i-th shortest is the longest of the batch with probability (i/n)^B - ((i-1)/n)^B.
    longest = math.fsum(
        length * ((i / n) ** batch - ((i - 1) / n) ** batch) for i, length in enumerate(sorted(lengths), 1)
    )
    return math.fsum(lengths) / n / longest


def in_flight(rate: float, latency: float) -> float:
    """Return the requests in a system on average: arrivals a second x seconds each one stays.

    Raises:
        ValueError: for a negative rate or latency.

    Source: little1961proof.
    """
    not_negative(rate=rate, latency=latency)
    return rate * latency


def decode_step_time(
    batch: int,
    weight_bytes: float,
    kv_bytes: float,
    bandwidth: float,
    flop: float = 0,
    peak: float = math.inf,
) -> float:
    """Return the least seconds of one decode step for ``batch`` sequences.

    The weights are read once for the whole batch, each sequence's cache for itself alone: batching shares the
    first and never the second.

    Args:
        batch: sequences, one new token each.
        weight_bytes: bytes of weights read in a step.
        kv_bytes: bytes of cache of one sequence.
        bandwidth: B/s.
        flop: arithmetic of the linear layers a token (about 2 x parameters).
        peak: FLOP/s; left out, arithmetic is free.

    Raises:
        ValueError: unless batch is whole and positive and the rates are positive.

    Source: austin2025scalingbook, chapter on inference.
    """
    whole(batch=batch)
    not_negative(weight_bytes=weight_bytes, kv_bytes=kv_bytes, flop=flop)
    positive(bandwidth=bandwidth)
    if not peak > 0:
        raise ValueError(f"peak is {peak!r}, but must be greater than 0; leave it out for free arithmetic")
    weights = max(weight_bytes / bandwidth, batch * flop / peak)
    caches = batch * kv_bytes / bandwidth
    return weights + caches
