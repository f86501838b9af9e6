"""What the system tells in files and through programs."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path


def told(path: Path) -> str:
    """Return what stands in a file, without the white space around it; an empty text where it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""


@cache
def answer(*command: str) -> str:
    """Return what a program prints; an empty text where there is none, or where it fails."""
    try:
        environment = {**os.environ, "LC_ALL": "C"}
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, env=environment)
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return run.stdout if run.returncode == 0 else ""


def parse_cpulist(text: str) -> tuple[int, ...]:
    """Parse the kernel's list format: ``"0-2,8"`` is ``(0, 1, 2, 8)``; an empty text is ``()``."""
    cpus: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)
