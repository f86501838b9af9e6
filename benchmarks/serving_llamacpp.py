"""Our server against llama.cpp's, under the same load from ``lessons loadtest``: 8 slots, 8 clients.

Each client waits for its answer and then asks again; every answer has all its tokens. The two servers are processes
of their own on the same file, and take turns. llama.cpp's is the ``llama-server`` on the PATH (or the one that
LLAMA_SERVER names), and otherwise the one inside the package xllamacpp. Each uses all CPUs.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic, sleep

import common

from lessons.llm.load import find_model
from lessons.measure.stats import median
from lessons.serving.loadtest import load_test
from lessons.serving.metrics import SLO
from lessons.serving.workload import AtOnce, LogNormal, Uniform, workload
from lessons.topology import available_cpus

SLOTS, REQUESTS, ROUNDS = 8, 24, 3
PROMPTS, ANSWERS = Uniform(16, 96), LogNormal(48, 0.7, 160)
SEED = 8
CONTEXT = 512  # of a slot


@contextmanager
def running(command: list[str], address: str | None = None) -> Iterator[str]:
    """Run a server and yield its address, which it prints itself if none is given."""
    # A pipe that nobody reads fills up and stops the server: only a server that says its address gets one.
    said = subprocess.PIPE if address is None else subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=said, stderr=subprocess.DEVNULL, text=True)
    try:
        if address is None:
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise SystemExit(f"{command[0]} said no address")
            address = found.group()
        _wait(address, process)
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait(address: str, process: subprocess.Popen) -> None:
    end = monotonic() + 120
    while monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5)
            return
        except (urllib.error.URLError, OSError):
            sleep(0.2)
    raise SystemExit(f"{' '.join(process.args[:3])} did not start")


def ours():
    return running([sys.executable, "-m", "lessons", "serve", "--port", "0", "--slots", str(SLOTS)])


def peer():
    """Return llama.cpp's server: a native build if there is one."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    binary = os.environ.get("LLAMA_SERVER") or shutil.which("llama-server")
    if binary:
        options = {"-m": find_model(), "-np": SLOTS, "-c": SLOTS * CONTEXT, "-t": threads(), "--port": port}
        command = [binary, *(str(word) for pair in options.items() for word in pair)]
    else:
        command = [sys.executable, "-c", XLLAMACPP, str(find_model()), str(port), str(threads())]
    return running(command, f"http://127.0.0.1:{port}")


XLLAMACPP = f"""
import sys, time, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port = sys.argv[1], int(sys.argv[2])
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(sys.argv[3])
params.n_parallel, params.n_ctx = {SLOTS}, {SLOTS * CONTEXT}
server = xllamacpp.Server(params)
time.sleep(1e9)
"""


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
        our_server, their_server = stack.enter_context(ours()), stack.enter_context(peer())
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
