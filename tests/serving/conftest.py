"""Prompts of real text, and a server in a process of its own."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest


@pytest.fixture(scope="session")
def prompts(llm):
    texts = (
        "The capital of France is",
        "A list is a mutable sequence type, and a tuple",
        "Water boils when",
        "The function returns the sum of all numbers in the list. For example, sum([1, 2, 3]) is",
        "One, two, three, four,",
    )
    return [tuple(llm.tokenizer.encode(text)) for text in texts]


START = "import sys; from lessons.cli import main; sys.exit(main())"
# Every 50th step of the model ends in an error.
FAILING = """
from itertools import count
from lessons.serving.server.sampling import SamplingEngine
run, steps = SamplingEngine.run, count(1)
def sometimes(self, batch):
    if next(steps) % 50 == 0:
        raise RuntimeError("out of luck")
    return run(self, batch)
SamplingEngine.run = sometimes
"""


@contextmanager
def serving(*words, code=START, **options):
    """Start ``lessons serve`` on a free port; yield its process and address."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--port", "0", *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
        **options,
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("serving at http://"), line
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def server():
    """Yield the address of a small server: 8 slots, and too few blocks for 8 long requests."""
    with serving("--activations", "float32", "--slots", "8", "--blocks", "24") as (process, address):
        yield address
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.fixture
def own_server():
    """Yield the process and the address of a server that the test may end; its errors are kept."""
    with serving("--blocks", "64", stderr=subprocess.PIPE) as started:
        yield started


@pytest.fixture
def failing_server():
    """Yield the process and the address of a server whose model fails now and then, short of blocks."""
    words = ("--slots", "16", "--blocks", "24")
    with serving(*words, code=FAILING + START, stderr=subprocess.DEVNULL) as started:
        yield started
