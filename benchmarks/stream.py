"""STREAM triad with stores past the caches, against C with non-temporal intrinsics on the same buffers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from ctypes import c_double, c_size_t, c_void_p

import common
import gcc

from lessons import topology
from lessons.kernels.stream import moved_bytes, stream
from lessons.kernels.stream.cpu import STEP
from lessons.kernels.tools.buffers import aligned
from lessons.measure import compare
from lessons.units import MiB

SCALAR = 3.0


def array_bytes() -> int:
    """Return a size that makes the three arrays four times the last cache, an eighth of memory at most."""
    machine = topology.read()
    size = min(max(256 * MiB, 4 * machine.last_level().bytes // 3), machine.memory // 8)
    return size // (2 * STEP) * 2 * STEP


def measure_once() -> common.Record:
    """Compare the triads on one thread; report two threads beside."""
    c_code = gcc.load("stream")
    for function in (c_code.triad_nt, c_code.triad_plain):
        function.argtypes = [c_void_p, c_void_p, c_void_p, c_double, c_size_t]
        function.restype = None
    size = array_bytes()
    a, b, c = (aligned(size // 8, fill=value) for value in (0.0, 1.0, 2.0))

    def ours(threads: int = 1) -> None:
        stream("triad", a, b, c, scalar=SCALAR, nontemporal=True, threads=threads)

    def peer(function, part: int = 0, parts: int = 1) -> None:
        begin = part * (size // parts)
        places = (x.ctypes.data + begin for x in (a, b, c))
        function(*places, SCALAR, size // parts // 8)

    moved = moved_bytes("triad", size)
    against_nt = compare(ours, lambda: peer(c_code.triad_nt))
    against_plain = compare(ours, lambda: peer(c_code.triad_plain), rounds=6)
    fields = {"ratio_plain": against_plain.ratio.value, "plain": moved / against_plain.peer.value}
    if topology.read().cores > 1:
        with ThreadPoolExecutor(2) as pool:
            both = lambda: list(pool.map(lambda part: peer(c_code.triad_nt, part, 2), range(2)))  # noqa: E731
            pair = compare(lambda: ours(2), both, rounds=6)
        fields |= {"ours_2_threads": moved / pair.ours.value, "peer_2_threads": moved / pair.peer.value}
    return common.record(against_nt, moved, "B/s", 1, **fields)


if __name__ == "__main__":
    common.main(measure_once, bar=0.97, other_bars={"ratio_plain": 1.25})
