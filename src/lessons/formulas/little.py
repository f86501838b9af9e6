"""Little's law for memory: what must be in flight at once to keep it busy, and what is reached with less.

The law itself, bandwidth x latency, is ``lessons.formulas.memory.bytes_in_flight``.
"""

from __future__ import annotations

import math

from lessons.formulas.checks import positive, whole
from lessons.formulas.memory import bytes_in_flight, concurrency_bandwidth
from lessons.formulas.warp import LANES


def per_processor(bandwidth: float, latency: float, processors: int = 1) -> float:
    """Return the bytes that each of ``processors`` must have in flight to sustain ``bandwidth`` together.

    Args:
        bandwidth: B/s of all of them.
        latency: seconds from asking for data to having it.
        processors: streaming multiprocessors, or cores.

    Raises:
        ValueError: unless all are positive, and the processors whole.

    Source: little1961proof; volkov2016latency.
    """
    whole(processors=processors)
    return bytes_in_flight(bandwidth, latency) / processors


def pieces(bandwidth: float, latency: float, size: int = 128, processors: int = 1) -> float:
    """Return the lines or sectors of ``size`` bytes that each processor must have in flight; else as above.

    Args:
        bandwidth, latency, processors: as in ``per_processor``.
        size: bytes of one: 64 for a line of most CPUs, 128 for a line of a GPU, 32 for a sector of that.
    """
    whole(size=size)
    return per_processor(bandwidth, latency, processors) / size


def knee(latency: float, ceiling: float, line: int = 64) -> float:
    """Return the walks of dependent loads at which more of them bring no more: ceiling x latency / line.

    It is also the number of lines that are in flight at the ceiling.

    Args:
        latency: seconds of one dependent load.
        ceiling: B/s that any number of walks reaches at most, each load counted with its whole line.
        line: bytes of it.

    Raises:
        ValueError: unless all are positive.

    Source: little1961proof.
    """
    positive(latency=latency, ceiling=ceiling)
    whole(line=line)
    return ceiling * latency / line


def throughput(walks: float, latency: float, ceiling: float, line: int = 64) -> float:
    """Return the B/s of ``walks`` of dependent loads: as many lines per latency, up to the ceiling.

    Args:
        walks: how many are followed at once.
        latency, ceiling, line: as in ``knee``.

    Raises:
        ValueError: unless all are positive.

    Source: little1961proof.
    """
    positive(ceiling=ceiling)
    return min(concurrency_bandwidth(walks, latency, line), ceiling)


def warps(bandwidth: float, latency: float, processors: int = 1, loads: int = 1, itemsize: float = 4) -> int:
    """Return the warps that each processor needs, whose threads wait for ``loads`` independent loads each.

    The least whole number with warps x 32 threads x loads x itemsize >= bandwidth x latency / processors. All bytes
    of a load are used, as where neighbouring threads load neighbouring elements.

    Args:
        bandwidth, latency, processors: as in ``per_processor``.
        loads: independent loads that a thread has issued before it needs the first of them.
        itemsize: bytes of one load of one thread: 4, 8 or 16.

    Raises:
        ValueError: unless all are positive, and processors and loads whole.

    Source: volkov2016latency; volkov2010occupancy for few warps with many loads each.
    """
    whole(loads=loads)
    positive(itemsize=itemsize)
    return math.ceil(per_processor(bandwidth, latency, processors) / (LANES * loads * itemsize))
