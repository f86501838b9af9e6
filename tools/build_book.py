"""Build the website: run the notebooks on this machine, then make the site from what they showed.

nbval runs them, in reading order and each in a kernel of its own, so that they are tests and pages at once. Sphinx
would run them in alphabetical order. One that would show the same again is not run: see chapters.py.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path

import chapters
import nbformat
import yaml
from chapters import KEPT
from ending import in_one_line
from keep_outputs import BEGAN, SECONDS
from project import BUILD, LAST, PLACEHOLDER, ROOT, SITE, address, notebooks

from lessons.files import emptied, write_atomic
from lessons.locks import alone
from lessons.notebook.report_card import csv, mine
from lessons.results import Ledger

EXECUTED = BUILD / "executed"  # what the site is made from
LEDGER = BUILD / "ledger"
LOG = BUILD / "executions.log"  # a line for each time that a notebook was run
SITE_KEY = BUILD / "site.key"
BUDGET = 45.0  # seconds a chapter on two quiet cores
PATIENCE = 1.5  # times the budget, for CI's machine
SECONDS_A_CELL = 240  # a busy neighbour must not end the build
OPTIONS = ["-p", "no:xdist", "-p", "no:cacheprovider", "-p", "keep_outputs", "-q", "--no-header", "-x"]
OPTIONS += ["--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={SECONDS_A_CELL}"]
SOURCES = ("book", "_config.yml", "_toc.yml", "pyproject.toml", "constraints.txt", "tools", "src/lessons")


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the website from notebooks that are run here.")
    parser.add_argument("--fresh", action="store_true", help="run every notebook again")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started has to be ended too
    with alone(BUILD / "build.lock", "another build") as lock:
        return build(args.fresh, lock)


def build(fresh: bool, lock: tuple[int, ...] = ()) -> int:
    """Run what has to be run and make the site; return the exit status.

    Args:
        fresh: run every notebook again.
        lock: what ``alone`` gave: where this process is killed, what it has started keeps others waiting.
    """
    if fresh:
        shutil.rmtree(KEPT, ignore_errors=True)
    times = run_notebooks(lock)
    if times is None:
        print("\nA notebook failed: see above.", file=sys.stderr)
        return 1
    key = chapters.site_key([*(ROOT / name for name in SOURCES), LEDGER])
    if not (SITE / "index.html").exists() or not SITE_KEY.exists() or SITE_KEY.read_text() != key:
        began = time.monotonic()
        assemble()
        status = make_site(lock)
        if status != 0:
            print("\nThe site was not made: see above; warnings are errors here.", file=sys.stderr)
            return status
        write_atomic(SITE_KEY, key)
        times["(the site)"] = time.monotonic() - began
    tell(times)
    print(f"\nThe book is at {(SITE / 'index.html').as_uri()}")
    slow = [
        name for name, seconds in times.items() if seconds > PATIENCE * BUDGET and not name.startswith("(")
    ]
    if slow and os.environ.get("CI"):
        print(
            f"Over {PATIENCE * BUDGET:.0f} s, {PATIENCE} times a chapter's budget: {', '.join(slow)}",
            file=sys.stderr,
        )
        return 1
    return 0


def run_notebooks(lock: tuple[int, ...] = ()) -> dict[str, float] | None:
    """Run the notebooks that would show something else than they did; return the seconds of each, None on a failure.

    The first page and the report card are last, since what they show depends on what the others have written.
    """
    every = notebooks()
    summing_up = [path for path in every if path.stem in LAST]
    times: dict[str, float] = {}
    for group in ([path for path in every if path.stem not in LAST], summing_up):
        keys = {path: chapters.key(path, LEDGER) for path in group}
        stale = {path: key for path, key in keys.items() if not chapters.is_kept(path, key)}
        whole = not stale or run(stale, lock)
        found = {}
        for path, key in keys.items():
            if chapters.is_kept(path, key):  # where one fails, those before it count
                noted = chapters.kept(path)
                forget(path.stem, before=noted[BEGAN])
                if path in stale:
                    found[path.stem] = noted[SECONDS]
        with LOG.open("a", encoding="utf-8") as log:
            now = datetime.datetime.now().isoformat(timespec="seconds")
            log.writelines(f"{now} {name} {seconds:.1f} s\n" for name, seconds in found.items())
        if not whole:
            return None
        times |= found
    return times


def forget(slug: str, before: float) -> None:
    """Drop a chapter's entries that its last run did not write: the experiments are gone. Guesses stay."""
    for entry in LEDGER.glob(f"{slug}.*.json"):
        if entry.stat().st_mtime < before:
            entry.unlink()


def run(stale: Mapping[Path, str], lock: tuple[int, ...] = ()) -> bool:
    """Run notebooks one after the other; tell whether all of them ran to their end.

    Args:
        stale: each with the key that its outputs are kept with.
        lock: kept by the process that runs them.
    """
    for path in stale:
        (KEPT / path.name).unlink(missing_ok=True)
    around = {
        **os.environ,
        "LESSONS_LEDGER": str(LEDGER),
        "LESSONS_QUIET": "1",  # a line of progress is for whoever waits, not for a page
        "LESSONS_SITE": "1",  # links lead to pages, not to notebooks
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "tools"), os.environ.get("PYTHONPATH")])),
    }
    keys = json.dumps({path.name: key for path, key in stale.items()})
    command = [sys.executable, "-m", "pytest", *OPTIONS, "--keep-outputs", str(KEPT), "--keep-keys", keys]
    with emptied(
        KEPT.with_name("runtime")
    ) as runtime:  # where kernels keep the files that a kill leaves behind
        around["JUPYTER_RUNTIME_DIR"] = str(runtime)
        done = subprocess.run([*command, *map(str, stale)], cwd=ROOT, env=around, pass_fds=lock)
    return done.returncode == 0


def assemble() -> None:
    """Lay out what the site is made from: the book with the outputs in its notebooks."""
    fresh = EXECUTED.with_name(f"{EXECUTED.name}.next")
    shutil.rmtree(fresh, ignore_errors=True)
    hidden = shutil.ignore_patterns("__pycache__", "_build", ".*")
    shutil.copytree(ROOT / "book", fresh / "book", ignore=hidden)
    for notebook in notebooks():
        nbformat.write(chapters.page(notebook, LEDGER), fresh / "book" / notebook.name)
    assets = fresh / "book" / "assets"
    assets.mkdir(exist_ok=True)
    (assets / "report_card.csv").write_text(csv(mine(Ledger(LEDGER))), encoding="utf-8")
    shutil.copy(ROOT / "_toc.yml", fresh)
    (fresh / "_config.yml").write_text(yaml.safe_dump(configuration()), encoding="utf-8")
    put(fresh, EXECUTED)


def configuration() -> dict:
    """Return ``_config.yml``, with the launch buttons once pyproject.toml names a real repository."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    if PLACEHOLDER not in address():
        config["repository"] = {"url": address(), "branch": "main"}
        config["html"] |= {"use_issues_button": True, "use_repository_button": True}
        config["launch_buttons"] = {
            "colab_url": "https://colab.research.google.com",
            "binderhub_url": "https://mybinder.org",
            "notebook_interface": "jupyterlab",
        }
    return config


def make_site(lock: tuple[int, ...] = ()) -> int:
    """Run jupyter-book with warnings as errors, from a clean state; the old site stays until the new one is whole."""
    # Sphinx warns only about pages that it reads again: what is left of an older build would hide warnings.
    fresh = BUILD / "next"
    shutil.rmtree(fresh, ignore_errors=True)
    program = shutil.which("jupyter-book", path=sysconfig.get_path("scripts"))
    if program is None:
        raise SystemExit("jupyter-book is missing from this environment: pip install -e '.[book]'")
    options = ["--path-output", str(fresh), "-W", "-n", "--keep-going", "--quiet"]
    command = [program, "build", str(EXECUTED), *options]
    status = subprocess.run(command, cwd=EXECUTED, pass_fds=lock).returncode
    if status == 0:
        SITE_KEY.unlink(missing_ok=True)  # from here on it is not the site that the key was of
        put(fresh / "_build" / "html", SITE)
        shutil.rmtree(fresh)
    return status


def put(fresh: Path, place: Path) -> None:
    """Let the folder ``fresh`` take the place of the old one: whoever reads there misses it for a moment only."""
    old = place.with_name(f"{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def tell(times: dict[str, float]) -> None:
    """Print the seconds of what was done, beside the budget."""
    if not times:
        print("Nothing has changed since the last build.")
        return
    print(f"\nSeconds of each notebook (a chapter's budget is {BUDGET:.0f}):")
    for name, seconds in [*times.items(), ("together", sum(times.values()))]:
        print(f"  {name:24} {seconds:6.1f}")
    if left := len(notebooks()) - sum(not name.startswith("(") for name in times):
        print(f"{left} others are what they were and were not run again.")


if __name__ == "__main__":
    sys.exit(in_one_line("build", main))
