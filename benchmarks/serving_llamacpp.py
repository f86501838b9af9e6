"""Our server against llama.cpp's, under the same load from ``lessons loadtest``: 8 slots, 8 clients.

Each client waits for its answer and then asks again; every answer has all its tokens. The two servers are processes
of their own on the same file, and take turns. Each uses all CPUs.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import common
import servers

from lessons.measure.stats import median
from lessons.serving.loadtest import load_test
from lessons.serving.metrics import SLO
from lessons.serving.workload import AtOnce, LogNormal, Uniform, workload
from lessons.topology import available_cpus

SLOTS, REQUESTS, ROUNDS = 8, 24, 3
PROMPTS, ANSWERS = Uniform(16, 96), LogNormal(48, 0.7, 160)
SEED = 8


def threads() -> int:
    return len(available_cpus())


def rate(address: str) -> float:
    """Return the tokens a second that the load test sees."""
    requests = workload(REQUESTS, AtOnce(), PROMPTS, ANSWERS, seed=SEED)
    report = asyncio.run(
        load_test(address, requests, concurrency=SLOTS, slo=SLO(1.0, 0.1), seed=SEED, ignore_eos=True)
    )
    if report.failures:
        raise SystemExit(f"{address}: {report.failures}")
    return report.to_json()["output_tokens_per_second"]


def measure_once() -> common.Record:
    """Put the load on both servers in turn; the peer twice in each round, as its own guard."""
    with ExitStack() as stack:
        our_server = stack.enter_context(servers.ours(SLOTS, threads()))
        their_server = stack.enter_context(servers.llamacpp(SLOTS, threads()))
        for address in (our_server, their_server):
            rate(address)
        rounds = [[rate(a) for a in (their_server, our_server, their_server)] for _ in range(ROUNDS)]
    ratios = sorted(2 * mine / (first + second) for first, mine, second in rounds)
    return {
        "ratio": median(ratios),
        "low": ratios[0],
        "high": ratios[-1],
        "ours": median([mine for _, mine, _ in rounds]),
        "peer": median([(first + second) / 2 for first, _, second in rounds]),
        "unit": "tokens/s",
        "threads": threads(),
        "guard": median([first / second for first, _, second in rounds]),
    }


if __name__ == "__main__":
    common.main(measure_once, bar=2.0)
