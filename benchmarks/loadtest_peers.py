"""``lessons loadtest`` and guidellm on the same server under the same load: do they measure the same?

One client that waits for each answer: with more, the time to the first token depends on whose prompt comes first.
Prompts of one length and answers of one length; the texts differ from run to run, so that no server answers from its
cache. The server leaves a processor to those who measure it. Each side is
a command in processes of its own: guidellm runs twice around ours, as its own guard. The figures are medians over the
requests of TTFT and of TPOT (guidellm calls it inter-token latency), and the tokens a second from the first request to
the last answer.

guidellm is the command on the PATH, or the one that GUIDELLM names; where there is none the benchmark is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import common
import servers

from lessons.measure.stats import median
from lessons.serving.loadtest.prompts import Prompts, Words
from lessons.serving.request import Request

CLIENTS, REQUESTS = 1, 32
PROMPT, ANSWER = 64, 32  # tokens
BAR = 0.95

Figures = dict[str, float]


def processors() -> list[int]:
    """Return the processors: the last is for those who measure, the others are the server's."""
    return sorted(os.sched_getaffinity(0))


def threads() -> int:
    """Return the threads of a server."""
    return max(1, len(processors()) - 1)


def guidellm() -> str | None:
    found = shutil.which(os.environ.get("GUIDELLM") or "guidellm")
    return found and os.path.abspath(found)


def ours(address: str, seed: int) -> Figures:
    """Return what ``lessons loadtest`` measures."""
    options = {"--requests": REQUESTS, "--concurrency": CLIENTS, "--input-tokens": PROMPT, "--seed": seed}
    options |= {"--output-tokens": ANSWER}
    words = [str(word) for pair in options.items() for word in pair]
    command = [sys.executable, "-m", "lessons", "loadtest", address, "--ignore-eos", "--json", *words]
    said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {
        "ttft": said["ttft"]["p50"],
        "tpot": said["tpot"]["p50"],
        "throughput": said["output_tokens_per_second"],
    }


def theirs(address: str, seed: int) -> Figures:
    """Return what guidellm measures, from its own times of each request."""
    prompts = Prompts(Words(), seed)  # a word is a token in our model's vocabulary
    with TemporaryDirectory() as folder:
        data, output = Path(folder, "prompts.jsonl"), Path(folder, "report.json")
        texts = [prompts(Request(number, 0.0, PROMPT, ANSWER)) for number in range(REQUESTS)]
        data.write_text(
            "".join(json.dumps({"prompt": text, "output_tokens_count": ANSWER}) + "\n" for text in texts)
        )
        options = {
            "--backend": f"kind=openai_http,target={address},request_format=/v1/completions,http2=false",
            "--profile": f"kind=concurrent,streams={CLIENTS}",
            "--constraint": f"kind=max_requests,count={REQUESTS}",
            "--data": f"kind=json_file,path={data}",
            "--output": f"kind=json,path={output}",
        }
        command = [
            str(guidellm()),
            "run",
            *(word for pair in options.items() for word in pair),
            "--disable-console",
        ]
        # One process sends, as with us: several would take the server's time where there are two CPUs.
        offline = {"GUIDELLM__MAX_WORKER_PROCESSES": "1", "HF_HUB_OFFLINE": "1"}
        subprocess.run(command, check=True, capture_output=True, cwd=folder, env=os.environ | offline)
        requests = json.loads(output.read_text())["benchmarks"][0]["requests"]
    done = requests["successful"]
    if len(done) != REQUESTS or any(request["output_tokens"] != ANSWER for request in done):
        raise SystemExit(f"guidellm finished {len(done)} of {REQUESTS} requests at {address}")
    began, ended = (f(r[f"request_{at}_time"] for r in done) for f, at in ((min, "start"), (max, "end")))
    return {
        "ttft": median([request["time_to_first_token_ms"] for request in done]) / 1e3,
        "tpot": median([request["inter_token_latency_ms"] for request in done]) / 1e3,
        "throughput": REQUESTS * ANSWER / (ended - began),
    }


@contextmanager
def only(*cpus: int) -> Iterator[None]:
    """Keep to some processors, with all that is started in the block: a greedy client would slow the server down."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def neighbour() -> Iterator[None]:
    """Keep the testers' processor busy with what gives way at once.

    Where two processors share a core the server slows down beside a busy one. guidellm keeps its own busy and ours does
    not, so without this the two would meet different servers.
    """
    spin = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", spin])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def on(server: Callable[[int, int], AbstractContextManager[str]], seeds: Iterator[int]) -> dict[str, Figures]:
    """Measure one server; return ours, the peer's and how far they agree, for each figure, and the guard."""
    *first, last = processors()
    with ExitStack() as stack:
        with only(*first):
            address = stack.enter_context(server(CLIENTS, max(1, len(first))))
        stack.enter_context(only(last))
        stack.enter_context(neighbour())
        ours(address, next(seeds))
        before, mine, after = (side(address, next(seeds)) for side in (theirs, ours, theirs))
    found = {}
    for name in mine:
        peer = (before[name] + after[name]) / 2
        ratio = mine[name] / peer
        found[name] = {
            "ours": mine[name],
            "peer": peer,
            "agreement": min(ratio, 1 / ratio),
            "guard": before[name] / after[name],
        }
    return found


def measure_once() -> common.Record:
    """Measure our server, then llama.cpp's; the worst figure of each counts."""
    seeds = count()
    found = {name: on(server, seeds) for name, server in SERVERS.items()}
    worst = {name: min(figure["agreement"] for figure in figures.values()) for name, figures in found.items()}
    every = [figure for figures in found.values() for figure in figures.values()]
    throughput = found["ours"]["throughput"]
    return {
        "ratio": worst["ours"],
        "ratio_llamacpp": worst["llamacpp"],
        "low": min(worst.values()),
        "high": max(figure["agreement"] for figure in every),
        "ours": throughput["ours"],
        "peer": throughput["peer"],
        "unit": "tokens/s",
        "threads": threads(),
        "guard": max((figure["guard"] for figure in every), key=lambda guard: abs(guard - 1)),
        "figures": found,
    }


# guidellm takes some milliseconds of a processor for each token that it reads. Our server makes tokens faster than that
# from packed weights, and what guidellm then measures is itself; from float32 a step takes longer than its reading.
SERVERS = {"ours": partial(servers.ours, weights="float32"), "llamacpp": servers.llamacpp}

if __name__ == "__main__":
    if guidellm() is None:
        print(
            "loadtest_peers.py: skipped, guidellm is not on the PATH; see benchmarks/README.md",
            file=sys.stderr,
        )
    else:
        common.main(measure_once, bar=BAR, other_bars={"ratio_llamacpp": BAR})
