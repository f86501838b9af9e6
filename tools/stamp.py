"""Where and when numbers were made: what stands at the foot of their page. Neither host, nor user, nor a path."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path

from project import ROOT

from lessons import topology
from lessons.results.context import versions
from lessons.topology import Topology
from lessons.units import format_binary

STAMP = "stamp"  # in a kept notebook's metadata, and in its page's
NAMES = {"python": "Python", "numpy": "NumPy", "numba": "Numba", "torch": "PyTorch"}


def stamp(began: float) -> list[str]:
    """Return the machine, the day, the commit and the versions, in words; what cannot be told is left out.

    Args:
        began: when the notebook was started, in seconds since 1970.
    """
    day = datetime.datetime.fromtimestamp(began).date()
    found = versions()
    packages = ", ".join(f"{name} {found[key]}" for key, name in NAMES.items() if key in found)
    return [
        part for part in (machine(topology.read()), f"{day.day} {day:%B %Y}", commit(ROOT), packages) if part
    ]


def machine(here: Topology) -> str:
    """Return a computer in one line: its processor, what of it may be used, and its GPUs."""
    target = f", compiled for {here.target}" if here.target else ""
    gpus = ", ".join(here.gpus) or "no GPU"
    return f"{here.cpu}{target}, {here.cores} logical CPUs, {format_binary(here.memory)}, {gpus}"


def commit(folder: Path) -> str:
    """Return the commit that ``folder``, the top of a git repository, is at; nothing where git cannot tell."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    head = _git(folder, "rev-parse", "--short=10", "HEAD")
    if not top or not head or Path(top).resolve() != folder.resolve():
        return ""
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"commit {head}{' with changes' if changed else ''}"


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
