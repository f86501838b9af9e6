"""Make the virtual environment ``.venv``, or find it ready: the first step of every ``make`` target.

An environment that cannot be built upon (interrupted while it was made, without pip, of a Python that is gone, too old
or not the one asked for) is made anew, with a word. What goes wrong ends in one sentence with its remedy. This file
needs the standard library only, and Pythons too old for the book can read it, to be told so.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from pip_failures import SetUpError, explain, written

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))  # the package itself comes with the environment

from lessons.files import emptied, write_atomic  # noqa: E402
from lessons.locks import alone, mine  # noqa: E402

PACKAGES = [".[book,test,lint]"]
DISK = 8e9  # bytes that the CUDA build of torch and all else takes, downloads and their cache included

# Two files in the environment: what is installed in it, and that something is being done to it.
STAMP, UNFINISHED = ".installed", ".unfinished"


def main() -> int:
    parser = argparse.ArgumentParser(description="Make .venv with all that the book needs.")
    parser.add_argument("--exact", action="store_true", help="make .venv anew where it is of another Python")
    parser.add_argument("--torch-index", default="", help="address of a package index to take torch from")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with alone(ROOT / "_build" / "set-up.lock", "another set-up") as lock:
            set_up(ROOT, PACKAGES, args.torch_index, args.exact, lock)
    except SetUpError as error:
        print(f"\nset-up: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nset-up: interrupted; the same command begins again", file=sys.stderr)
        return 130
    return 0


def set_up(
    root: Path,
    packages: list[str],
    torch_index: str = "",
    exact: bool = False,
    lock: tuple[int, ...] = (),
) -> None:
    """Install ``packages`` into ``root/.venv``, in the versions of ``root/constraints.txt``, unless they are there.

    Args:
        root: the project's folder, with ``pyproject.toml`` and ``constraints.txt``.
        packages: the words after ``pip install``; one that begins with a dot is installed as editable.
        torch_index: address of a package index that torch is taken from; where empty, the index it came from before,
            or pip's own.
        exact: whether an environment of another Python than the running one is made anew.
        lock: what ``alone`` gave: pip keeps it where this process is killed.

    Raises:
        SetUpError: one sentence that says what is wrong and what to do.
    """
    check_python(root)
    venv = root / ".venv"
    stamp = read_stamp(venv)
    index = torch_index or stamp.get("torch_index", "")
    wanted = {"digest": digest(root, packages), "torch_index": index}
    reason = fault(venv, root, exact) or (
        "has torch from elsewhere" if stamp and stamp["torch_index"] != index else ""
    )
    if not reason and stamp == wanted:
        return
    if reason:
        print(f".venv {reason}; making it anew", flush=True)
        remove(venv)
    with written(root):
        venv.mkdir(exist_ok=True)
        (venv / UNFINISHED).touch()
    # Killed, pip leaves what it has fetched, some gigabytes: the next set-up begins by deleting that.
    with emptied(mine("lessons-set-up-" + hashlib.sha256(os.fsencode(root)).hexdigest()[:12])) as temporary:
        around = {"env": {**os.environ, "TMPDIR": str(temporary)}, "pass_fds": lock}
        if not (venv / "pyvenv.cfg").exists():
            run([sys.executable, "-m", "venv", str(venv)], root, **around)
        install(root, venv, packages, index, **around)
    with written(root):
        write_atomic(venv / STAMP, json.dumps(wanted))
        (venv / UNFINISHED).unlink()


def check_python(root: Path) -> None:
    """Refuse a Python that cannot make the environment."""
    here, least = sys.version_info[:2], oldest(root)
    if here < least:
        raise SetUpError(
            f"this is Python {here[0]}.{here[1]}, and the book needs {least[0]}.{least[1]} or newer; name one: "
            f"make PYTHON=python{least[0]}.{least[1]} ..."
        )
    # Debian takes ensurepip out of Python and ships it in a package of its own.
    if missing := [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]:
        raise SetUpError(
            f"{sys.executable} lacks the module {missing[0]}, which makes virtual environments; install it "
            f"(Debian, Ubuntu: apt-get install python{here[0]}.{here[1]}-venv) and run make again"
        )


def oldest(root: Path) -> tuple[int, int]:
    """Return the oldest Python that pyproject.toml allows; tomllib came with 3.11, so the line is found by its name."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^requires-python = ">=(\d+)\.(\d+)"', text, flags=re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else (3, 0)


def interpreter(venv: Path) -> Path:
    """Return where an environment's Python is."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def digest(root: Path, packages: list[str]) -> str:
    """Return what changes when something else is to be installed."""
    files = [(root / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join([*files, repr(packages).encode()])).hexdigest()


def read_stamp(venv: Path) -> dict[str, str]:
    """Return what an environment says is installed in it; nothing where it was not made here, or not finished."""
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
        return {name: str(stamp[name]) for name in ("digest", "torch_index")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def fault(venv: Path, root: Path, exact: bool) -> str:
    """Say why an environment cannot be built upon; nothing where it can, or where there is none."""
    if not os.path.lexists(venv):
        return ""
    if (venv / UNFINISHED).exists():
        return "was interrupted while it was made"
    ask = "import sys; print(*sys.version_info[:2], flush=True); import pip"
    try:
        done = subprocess.run(
            [str(interpreter(venv)), "-I", "-c", ask], capture_output=True, text=True, timeout=60
        )
        version = tuple(map(int, done.stdout.split()))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        version = ()
    if len(version) != 2:
        return "has no Python that runs"
    here = sys.version_info[:2]
    if version < oldest(root) or (exact and version != here):
        return f"is of Python {version[0]}.{version[1]}, not {here[0]}.{here[1]}"
    return "has no pip" if done.returncode else ""


def remove(venv: Path) -> None:
    """Delete an environment; what is not one, or lies elsewhere, is left alone."""
    made_here = any((venv / name).exists() for name in ("pyvenv.cfg", UNFINISHED))
    if venv.is_symlink() or not (made_here or _only_folders(venv)):
        raise SetUpError(f"{venv} is not an environment that was made here; move it away and run make again")
    try:
        (venv / UNFINISHED).touch()  # what is left of an interrupted deletion must not look whole
        shutil.rmtree(venv)
    except OSError as error:
        raise SetUpError(f"{venv} cannot be deleted ({error}); delete it and run make again") from None


def _only_folders(path: Path) -> bool:
    """Tell what an interrupted ``python -m venv`` may leave behind: its folders and links, and no file."""
    return path.is_dir() and all(child.is_dir() or child.is_symlink() for child in path.rglob("*"))


def install(root: Path, venv: Path, packages: list[str], torch_index: str, **around: Any) -> None:
    """Let pip install ``packages``."""
    pip = [str(interpreter(venv)), "-m", "pip", "install", "-c", "constraints.txt"]
    if not sys.stdout.isatty():
        pip.append("-q")  # no bars, and hundreds of lines that nobody watches
    free = shutil.disk_usage(root).free
    if free < DISK and not torch_index and not read_stamp(venv):
        print(
            f"note: {free / 1e9:.1f} GB of disk are free; where torch comes with CUDA, {DISK / 1e9:.0f} are safe"
        )
    print("installing the book's packages into .venv, at first some minutes' work", flush=True)
    words = [
        word for package in packages for word in (["-e", package] if package.startswith(".") else [package])
    ]
    try:
        if torch_index:
            run([*pip, "--index-url", torch_index, "torch"], root, **around)
        run([*pip, *words], root, **around)
    except SetUpError as error:
        if error.harmless and read_stamp(venv):
            (venv / UNFINISHED).unlink()  # it still is what it was
        raise


def run(command: list[str], root: Path, **around: Any) -> None:
    """Run a command, whose output is shown, and turn its failure into a SetUpError."""
    with subprocess.Popen(
        command, cwd=root, stderr=subprocess.PIPE, text=True, errors="replace", **around
    ) as process:
        said = []
        try:
            for line in process.stderr:
                said.append(line)
                sys.stderr.write(line)
        except KeyboardInterrupt:
            process.terminate()  # at a terminal it had the same signal; elsewhere it would go on alone
            raise
    if process.returncode:
        raise explain(command, "".join(said), root)


if __name__ == "__main__":
    sys.exit(main())
