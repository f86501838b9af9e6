"""Latency, bandwidth and caches: what a memory access should cost before any is measured."""

from __future__ import annotations

from collections.abc import Sequence

from lessons.formulas.checks import fraction, not_negative, positive, whole


def bytes_in_flight(bandwidth: float, latency: float) -> float:
    """Return the bytes that must be under way at once to sustain ``bandwidth``: bandwidth x latency.

    Args:
        bandwidth: B/s.
        latency: seconds from asking for a line to having it.

    Raises:
        ValueError: unless both are positive.

    Source: little1961proof; volkov2016latency.
    """
    positive(bandwidth=bandwidth, latency=latency)
    return bandwidth * latency


def concurrency_bandwidth(lines: float, latency: float, line: int = 64) -> float:
    """Return the bandwidth, in B/s, that ``lines`` outstanding cache lines of ``line`` bytes can sustain.

    Raises:
        ValueError: unless all are positive.

    Source: little1961proof.
    """
    positive(lines=lines, latency=latency, line=line)
    return lines * line / latency


def write_allocate_factor(reads: float, writes: float) -> float:
    """Return moved bytes over counted bytes for a loop whose stores first fetch the line they write.

    A copy (1 read, 1 write) moves 3 bytes for every 2 it names: 1.5. Non-temporal stores bring it back to 1,
    so that the factor is also the speed-up they promise to a loop that is bound by DRAM traffic.

    Args:
        reads: bytes (or arrays) the source code reads.
        writes: bytes (or arrays) it writes.

    Raises:
        ValueError: for negative amounts or none at all.

    Source: mccalpin1995stream and the STREAM page on counting.
    """
    not_negative(reads=reads, writes=writes)
    positive(reads_plus_writes=reads + writes)
    return (reads + 2 * writes) / (reads + writes)


def average_access_time(latencies: Sequence[float], local_hit_rates: Sequence[float]) -> float:
    """Return the mean latency of a hierarchy in seconds.

    Args:
        latencies: seconds from the core to each level, nearest first, memory last.
        local_hit_rates: for every level but the last, the share of the accesses that reach it and hit.

    Raises:
        ValueError: unless there is one rate fewer than latencies and all are in range.

    Source: jacob2007memorysystems.
    """
    if len(local_hit_rates) != len(latencies) - 1:
        raise ValueError(
            f"there are {len(local_hit_rates)} hit rates for {len(latencies)} levels, "
            "but every level except the last needs one; the last always hits"
        )
    mean, reaching = 0.0, 1.0
    for latency, rate in zip(latencies, [*local_hit_rates, 1.0]):
        positive(latency=latency)
        fraction(hit_rate=rate)
        mean += reaching * rate * latency
        reaching *= 1 - rate
    return mean


def level(working_set: float, capacities: Sequence[float]) -> int:
    """Return the index of the smallest cache that holds ``working_set``; len(capacities) means memory.

    This predicts a loop that sweeps its data again and again: under LRU a sweep that is larger than a cache
    evicts each line just before its next use, so that the step is a cliff, not a slope.

    Args:
        working_set: bytes.
        capacities: bytes of each cache, nearest first.

    Raises:
        ValueError: unless the capacities are positive and do not shrink.

    Source: drepper2007memory, section 3.3.
    """
    positive(working_set=working_set)
    _check_capacities(capacities)
    return next((i for i, capacity in enumerate(capacities) if working_set <= capacity), len(capacities))


def chase_latency(working_set: float, capacities: Sequence[float], latencies: Sequence[float]) -> float:
    """Return the mean latency, in seconds, of a random pointer chase over ``working_set`` bytes.

    In a random cycle every line is as likely to be next as any other, so a cache of C bytes answers a share C
    / W of the chase. The staircase therefore has rounded treads. TLB misses are not in the model: measured
    steps beyond the TLB's reach lie above it.

    Args:
        working_set: W, bytes.
        capacities: bytes of each cache, nearest first.
        latencies: seconds of each cache and, last, of memory.

    Raises:
        ValueError: unless there is one latency more than capacities and all are positive.

    Source: drepper2007memory, section 3.3.2.
    """
    positive(working_set=working_set)
    _check_capacities(capacities)
    if len(latencies) != len(capacities) + 1:
        raise ValueError(
            f"there are {len(latencies)} latencies for {len(capacities)} caches, but there must be one more; "
            "the last latency is that of memory"
        )
    mean, covered = 0.0, 0.0
    for capacity, latency in zip([*capacities, working_set], latencies):
        positive(latency=latency)
        share = min(1.0, capacity / working_set)
        mean += max(0.0, share - covered) * latency
        covered = max(covered, share)
    return mean


def independent_access_time(latency: float, parallelism: float) -> float:
    """Return seconds per access when ``parallelism`` independent accesses are under way at once.

    Source: little1961proof.
    """
    positive(latency=latency, parallelism=parallelism)
    return latency / parallelism


def first_touch_time(working_set: float, fault_cost: float, page: int = 4096) -> float:
    """Return the seconds that page faults add when ``working_set`` bytes are touched for the first time.

    Args:
        working_set: bytes.
        fault_cost: seconds a fault.
        page: bytes a page.

    Raises:
        ValueError: unless all are positive.

    Source: drepper2007memory, section 4.
    """
    positive(working_set=working_set, fault_cost=fault_cost)
    whole(page=page)
    return -(-working_set // page) * fault_cost


def pin_bandwidth(bits: float, rate: float) -> float:
    """Return the peak of a memory interface in B/s: data pins x transfers a second / 8.

    Args:
        bits: width of the interface.
        rate: transfers a second on each pin (4.8e9 for DDR5-4800).

    Raises:
        ValueError: unless both are positive.

    Source: jedec2022hbm3 for a stack of 1,024 pins.
    """
    positive(bits=bits, rate=rate)
    return bits * rate / 8


def _check_capacities(capacities: Sequence[float]) -> None:
    for capacity in capacities:
        positive(capacity=capacity)
    if list(capacities) != sorted(capacities):
        raise ValueError(
            f"capacities are {list(capacities)}, but must not shrink; list the nearest cache first"
        )
