"""Compile a peer written in C for this very machine and load it into this process."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from pathlib import Path

PEERS = Path(__file__).parent / "peers"


def load(name: str) -> ctypes.CDLL:
    """Compile ``peers/<name>.c`` with ``gcc -O3 -march=native`` and return the library.

    Raises:
        FileNotFoundError: where there is no gcc.
        subprocess.CalledProcessError: when it does not compile.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{name}.so"
        flags = ["-O3", "-march=native", "-shared", "-fPIC"]
        subprocess.run(["gcc", *flags, "-o", target, PEERS / f"{name}.c"], check=True)
        return ctypes.CDLL(str(target))
