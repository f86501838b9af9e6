"""The pointer chase at each level of the memory, against the same chase in C on the same ring."""

from __future__ import annotations

from ctypes import c_long, c_void_p

import common
import gcc

from lessons import topology
from lessons.kernels.chase import chase, ring
from lessons.measure import compare

NEAR = ("l1", "l2")


def level(size: int, steps: int, rounds: int, walk_in_c) -> common.Record:
    """Compare both walks on one ring of ``size`` bytes.

    Each walk goes on where the last one ended, whoever made it. Were both to start at one place, the second
    would find in the cache what the first had just fetched.
    """
    links = ring(size)
    place = 0

    def ours() -> None:
        nonlocal place
        place = chase(links, steps, start=place)

    def peer() -> None:
        nonlocal place
        place = (walk_in_c(links.ctypes.data + 8 * place, steps // 16) - links.ctypes.data) // 8

    result = compare(ours, peer, rounds=rounds)
    overlap = result.ours.low <= result.peer.high and result.peer.low <= result.ours.high
    return {**common.record(result, steps, "s", 1), "overlap": float(overlap)}


def measure_once() -> common.Record:
    """Return the nearer caches' worse ratio, and for L3 and memory whether the intervals overlap."""
    walk_in_c = gcc.load("chase").chase
    walk_in_c.argtypes, walk_in_c.restype = [c_void_p, c_long], c_void_p
    sizes = topology.working_sets(topology.read())
    # Near the core a sample is short, so that many fit between two interruptions.
    plans = {name: (1 << 18, 90) if name in NEAR else (1 << 17, 18) for name in sizes}
    levels = {name: level(size, *plans[name], walk_in_c) for name, size in sizes.items()}
    near = [levels[name] for name in NEAR if name in levels]
    worst = min(near, key=lambda record: record["ratio"])
    # The guard is the one furthest from 1.
    guard = max((record["guard"] for record in near), key=lambda g: abs(g - 1))
    far = {f"overlap_{n}": r["overlap"] for n, r in levels.items() if n not in NEAR}
    shown = {n: {k: r[k] for k in ("ratio", "ours", "peer")} for n, r in levels.items()}
    return {**worst, "guard": guard, **far, "levels": shown}


if __name__ == "__main__":
    # Where there is no L3 the memory's intervals alone are asked for.
    far_levels = [name for name in topology.working_sets(topology.read()) if name not in NEAR]
    common.main(measure_once, bar=0.97, other_bars={f"overlap_{name}": 1.0 for name in far_levels})
