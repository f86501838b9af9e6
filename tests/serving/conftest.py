"""The real model, loaded once, prompts of real text, and a server in a process of its own."""

import os
import signal
import subprocess
import sys

import pytest

from lessons.llm.load import load


@pytest.fixture(scope="session")
def llm():
    return load()


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


@pytest.fixture(scope="session")
def server():
    """Yield the address of a small server: 8 slots, and too few blocks for 8 long requests."""
    code = "import sys; from lessons.cli import main; sys.exit(main())"
    words = ["serve", "--port", "0", "--activations", "float32", "--slots", "8", "--blocks", "24"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("serving at http://"), line
        yield line.split()[-1]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
