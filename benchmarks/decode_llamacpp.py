"""Greedy decoding of 128 tokens, ours against llama.cpp: the same file, each with its best number of threads.

Ours keeps the packed weights and quantises activations to int8, as llama.cpp does. Two thread pools that take turns
in one process disturb each other, so each run with two threads has a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys

import common
import llamacpp
import numba
import torch

from lessons.llm.load import load
from lessons.measure import compare
from lessons.measure.stats import median

TOKENS, ROUNDS = 128, 5
PROMPT = [504]  # one token: what is timed is decoding


def decoder(side: str, threads: int):
    """Return a function that writes the tokens."""
    torch.set_num_threads(threads)
    numba.set_num_threads(threads)
    if side == "peer":
        model = llamacpp.load(threads)
        return lambda: llamacpp.decode(model, PROMPT, TOKENS)
    llm = load("packed", activations="int8")

    def ours() -> list[int]:
        cache = llm.new_cache(TOKENS + 1)
        step, written = torch.tensor(PROMPT), []
        while len(written) < TOKENS:
            written.append(int(llm.model.forward(step, cache)[0].argmax()))
            step = torch.tensor(written[-1:])
        return written

    return ours


def alone(side: str, threads: int) -> float:
    """Return the tokens a second of one side, in a process of its own."""
    command = [sys.executable, sys.argv[0], "--side", side, str(threads)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure_side(side: str, threads: int) -> float:
    from lessons.measure import time

    return TOKENS / time(decoder(side, threads), samples=ROUNDS).median().value


def measure_once() -> common.Record:
    """Compare on one thread in this process; then both on two threads, in turn, each alone."""
    single = compare(decoder("ours", 1), decoder("peer", 1), rounds=6)
    record = common.record(single, TOKENS, "tokens/s", 1)
    double = {side: median([alone(side, 2) for _ in range(3)]) for side in ("ours", "peer")}
    best = {side: max(record[side], double[side]) for side in double}
    return record | {
        "ratio_1_thread": record["ratio"],
        "ratio": best["ours"] / best["peer"],
        "ours_2_threads": double["ours"],
        "peer_2_threads": double["peer"],
    }


if __name__ == "__main__":
    if "--side" in sys.argv:
        print(json.dumps(measure_side(sys.argv[2], int(sys.argv[3]))))
    else:
        common.main(measure_once, bar=2.5)
