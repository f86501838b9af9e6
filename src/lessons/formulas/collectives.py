"""Collectives: what they move, how long they take, and what "bus bandwidth" means."""

from __future__ import annotations

import math

from lessons.formulas.checks import choice, not_negative, positive, whole

OPERATIONS = ("all_reduce", "reduce_scatter", "all_gather", "all_to_all")


def bus_factor(operation: str, ranks: int) -> float:
    """Return the bytes each rank must send for each byte of the buffer, by the best ring.

    Args:
        operation: "all_reduce", "reduce_scatter", "all_gather" or "all_to_all".
        ranks: n; with one rank nothing moves.

    Returns:
        2 (n - 1) / n for an all-reduce, (n - 1) / n for the others.

    Raises:
        ValueError: for an unknown operation or fewer than one rank.

    Source: ncclteststool; patarasuk2009allreduce for the lower bound.
    """
    choice("operation", operation, OPERATIONS)
    whole(ranks=ranks)
    return (2 if operation == "all_reduce" else 1) * (ranks - 1) / ranks


def bus_bandwidth(operation: str, ranks: int, size: float, seconds: float) -> float:
    """Return the bus bandwidth in B/s: the rate per rank that a ring would have needed.

    An in-switch reduction sends less than a ring, so that its "bus bandwidth" may pass the speed of the link.

    Args:
        operation: as in ``bus_factor``.
        ranks: n.
        size: bytes of the buffer.
        seconds: time measured.

    Raises:
        ValueError: unless size and seconds are positive.

    Source: ncclteststool.
    """
    positive(size=size, seconds=seconds)
    return bus_factor(operation, ranks) * size / seconds


def transfer_time(size: float, alpha: float, bandwidth: float) -> float:
    """Return the seconds of one message: alpha + size / bandwidth.

    Args:
        size: bytes, 0 or more.
        alpha: seconds before the first byte arrives.
        bandwidth: B/s.

    Raises:
        ValueError: for a negative size or alpha, or a bandwidth that is not positive.

    Source: hockney1994communication.
    """
    not_negative(size=size, alpha=alpha)
    positive(bandwidth=bandwidth)
    return alpha + size / bandwidth


def half_size(alpha: float, bandwidth: float) -> float:
    """Return the message size in bytes at which half of the bandwidth is reached: alpha x bandwidth."""
    not_negative(alpha=alpha)
    positive(bandwidth=bandwidth)
    return alpha * bandwidth


def ring_all_reduce_time(ranks: int, size: float, alpha: float, bandwidth: float) -> float:
    """Return the seconds of a ring all-reduce: 2 (n - 1) steps of size / n bytes each.

    Args:
        ranks: n.
        size: bytes of the buffer.
        alpha: seconds a step.
        bandwidth: B/s each rank sends.

    Raises:
        ValueError: as in ``transfer_time``.

    Source: patarasuk2009allreduce; thakur2005collectives.
    """
    whole(ranks=ranks)
    return 2 * (ranks - 1) * transfer_time(size / ranks, alpha, bandwidth)


def tree_all_reduce_time(ranks: int, size: float, alpha: float, bandwidth: float) -> float:
    """Return the seconds of a plain binomial-tree all-reduce: ceil(log2 n) steps up and as many down.

    Every step sends the whole buffer: fewer steps and more bytes than a ring, so that it wins on small
    messages. Units and errors as in ``ring_all_reduce_time``.

    Source: thakur2005collectives.
    """
    whole(ranks=ranks)
    return 2 * math.ceil(math.log2(ranks)) * transfer_time(size, alpha, bandwidth)
