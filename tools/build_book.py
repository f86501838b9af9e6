"""Build the website: run every notebook on this machine, then make the site from the executed copies.

Sphinx would run the notebooks in alphabetical order and keep old results. Here they run in reading order, each alone
in a fresh kernel, so that every number on the site is of this build and of an otherwise idle process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import yaml
from execute import NotebookFailed, execute
from project import PLACEHOLDER, ROOT, SITE, address, notebooks

from lessons.results import Ledger

EXECUTED = ROOT / "_build" / "executed"
SECONDS_A_NOTEBOOK = (
    600  # a chapter takes up to 45 on a quiet machine; a busy neighbour must not end the build
)


def main() -> int:
    shutil.rmtree(EXECUTED, ignore_errors=True)
    shutil.copytree(
        ROOT / "book", EXECUTED / "book", ignore=shutil.ignore_patterns("__pycache__", "_build", ".*")
    )
    shutil.copy(ROOT / "_toc.yml", EXECUTED)
    (EXECUTED / "_config.yml").write_text(yaml.safe_dump(configuration()), encoding="utf-8")
    try:
        times = run_notebooks()
    except NotebookFailed as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    began = time.monotonic()
    status = make_site()
    if status != 0:
        print("\nThe site has warnings, which are errors here: see above.", file=sys.stderr)
        return status
    times["(the site)"] = time.monotonic() - began
    print("\nSeconds for each chapter:")
    for name, seconds in times.items():
        print(f"  {name:24} {seconds:6.1f}")
    print(f"  {'together':24} {sum(times.values()):6.1f}")
    print(f"\nThe book is at {(SITE / 'index.html').as_uri()}")
    return 0


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


def run_notebooks() -> dict[str, float]:
    """Run the notebooks one after the other into ``EXECUTED``; return each one's seconds."""
    os.environ["LESSONS_LEDGER"] = str(fresh_ledger(ROOT / "_build" / "ledger"))
    os.environ["LESSONS_QUIET"] = "1"  # a line of progress is for whoever waits, not for a page
    times = {}
    chapters = notebooks()
    for count, notebook in enumerate(chapters, start=1):
        print(f"[{count}/{len(chapters)}] {notebook.stem} ...", end=" ", flush=True)
        began = time.monotonic()
        execute(notebook, EXECUTED / "book" / notebook.name, SECONDS_A_NOTEBOOK)
        times[notebook.stem] = time.monotonic() - began
        print(f"{times[notebook.stem]:.1f} s", flush=True)
    return times


def fresh_ledger(folder: Path) -> Path:
    """Drop an older run's entries, which would put older numbers on the report card. The reader's guesses stay."""
    Ledger(folder).clear()
    return folder


def make_site() -> int:
    """Run jupyter-book on the executed copies, from a clean state and with warnings as errors."""
    # Sphinx warns only about pages that it reads again: what is left of an older build would hide warnings.
    for left in (SITE, ROOT / "_build" / ".doctrees"):
        shutil.rmtree(left, ignore_errors=True)
    program = shutil.which("jupyter-book", path=sysconfig.get_path("scripts"))
    if program is None:
        raise SystemExit("jupyter-book is missing from this environment: pip install -e '.[book]'")
    options = ["--path-output", str(ROOT), "-W", "-n", "--keep-going", "--quiet"]
    return subprocess.run([program, "build", str(EXECUTED), *options], cwd=EXECUTED).returncode


if __name__ == "__main__":
    sys.exit(main())
