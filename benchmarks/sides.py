"""Ours and a peer, each with its best number of threads.

Two thread pools that take turns in one process disturb each other. So one thread is compared in one process, in
turns and with the guard; on two threads each side runs alone, in processes of its own that take turns.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import common
import numba
import torch

from lessons.measure import compare, time
from lessons.measure.stats import median

Make = Callable[[str, int], tuple[Callable[[], object], int]]


def main(make: Make, bar: float, processes: int = 3) -> None:
    """Run the script of a benchmark.

    Args:
        make: takes "ours" or "peer" and a number of threads; returns what to run, and the tokens that it writes.
        bar: the least ratio of the best rates.
        processes: of each side on two threads, whose median counts.
    """
    if "--side" in sys.argv:
        print(json.dumps(_rate(make, sys.argv[2], int(sys.argv[3]))))
    else:
        common.main(lambda: _measure_once(make, processes), bar)


def _measure_once(make: Make, processes: int) -> common.Record:
    _set_threads(1)
    (ours, our_tokens), (peer, peer_tokens) = make("ours", 1), make("peer", 1)
    single = compare(ours, peer, rounds=6)
    record = common.record(single, our_tokens, "tokens/s", 1)
    scale = our_tokens / peer_tokens  # a token of ours for a token of theirs
    record |= {"peer": peer_tokens / single.peer.value}
    record |= {key: record[key] * scale for key in ("low", "high")}
    double = {side: median([_alone(side, 2) for _ in range(processes)]) for side in ("ours", "peer")}
    best = {side: max(record[side], double[side]) for side in double}
    return record | {
        "ratio": best["ours"] / best["peer"],
        "ratio_1_thread": single.ratio.value * scale,
        "ours_2_threads": double["ours"],
        "peer_2_threads": double["peer"],
    }


def _alone(side: str, threads: int) -> float:
    """Return the tokens a second of one side, in a process of its own."""
    command = [sys.executable, sys.argv[0], "--side", side, str(threads)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _rate(make: Make, side: str, threads: int) -> float:
    _set_threads(threads)
    run, tokens = make(side, threads)
    return tokens / time(run, samples=5).median().value


def _set_threads(threads: int) -> None:
    torch.set_num_threads(threads)
    numba.set_num_threads(threads)
