"""Our server and llama.cpp's on the same file, each as a process of its own.

llama.cpp's is the ``llama-server`` on the PATH (or the one that LLAMA_SERVER names), and otherwise the one inside the
package xllamacpp.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from time import monotonic, sleep

from lessons.llm.load import find_model

CONTEXT = 512  # tokens of a slot


@contextmanager
def running(command: list[str], address: str | None = None, threads: int | None = None) -> Iterator[str]:
    """Run a server and yield its address, which it prints itself if none is given.

    ``threads`` are those of Numba and OpenMP; without them the server finds its own number.
    """
    environment = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"), str(threads)) if threads else {}
    # A pipe that nobody reads fills up and stops the server: only a server that says its address gets one.
    said = subprocess.PIPE if address is None else subprocess.DEVNULL
    process = subprocess.Popen(
        command, stdout=said, stderr=subprocess.DEVNULL, text=True, env=os.environ | environment
    )
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


def ours(slots: int, threads: int, weights: str = "packed") -> AbstractContextManager[str]:
    """Run our server, with weights in this form; it yields its address."""
    options = {"--port": 0, "--slots": slots, "--weights": weights}
    words = (str(word) for pair in options.items() for word in pair)
    return running([sys.executable, "-m", "lessons", "serve", *words], threads=threads)


def llamacpp(slots: int, threads: int) -> AbstractContextManager[str]:
    """Run llama.cpp's server, a native build if there is one; it yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    binary = os.environ.get("LLAMA_SERVER") or shutil.which("llama-server")
    if binary:
        options = {"-m": find_model(), "-np": slots, "-c": slots * CONTEXT, "-t": threads, "--port": port}
        command = [binary, *(str(word) for pair in options.items() for word in pair)]
    else:
        command = [
            sys.executable,
            "-c",
            XLLAMACPP,
            *map(str, (find_model(), port, threads, slots, slots * CONTEXT)),
        ]
    return running(command, f"http://127.0.0.1:{port}")


XLLAMACPP = """
import sys, time, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port = sys.argv[1], int(sys.argv[2])
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(sys.argv[3])
params.n_parallel, params.n_ctx = int(sys.argv[4]), int(sys.argv[5])
server = xllamacpp.Server(params)
time.sleep(1e9)
"""
