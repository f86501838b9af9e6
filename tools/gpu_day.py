"""Do all that the book wants of a machine with a CUDA card, most valuable first, and lose nothing when it ends early.

    PYTHONPATH=src python tools/gpu_day.py [--minutes 8] [--archive FILE] [--rehearse] [SLUG ...]

Such a machine is often rented by the minute, bare and without a network: this needs Python, NumPy, Numba with
numba-cuda, and torch. Every step is a process of its own, so that none can take another down, and after each the
archive of all files is written anew. At home `lessons record --unpack ARCHIVE` puts the recordings in their place.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from lessons.results import pack

ROOT = Path(__file__).resolve().parent.parent
NAME = "gpu-day"
# Chapters with experiments for a card: those that show most by the second come first.
CHAPTERS = (
    "gpu_memory",
    "roofline",
    "kv_cache",
    "quantization",
    "cpu_memory",
    "speculative",
    "batching",
    "inference_vs_training",
)
CHECKS = "tests/kernels/cuda_checks.py"
TESTS = (
    "tests/kernels/test_cuda.py::test_public_functions_take_tensors_of_a_device",
    "tests/serving/test_paged_blocks.py::test_blocks_are_swapped_out_of_a_gpu_and_back",
)
NEEDED_BY_TESTS = ("pytest", "hypothesis")
LINES = 400  # of one step's output are kept from its beginning,
LAST = 100  # and from its end, where a failure says why
PATIENCE = 5.0  # seconds between asking a step to end and ending it
# In each step's group it listens to the day: where that is killed, it takes the step and its children down.
LEASH = ("sh", "-c", "read nothing; kill -KILL 0")


@dataclass(frozen=True)
class Step:
    """One process.

    Attributes:
        name: what the log calls it.
        words: its command line.
        least: seconds that must be left, or it is not begun.
        most: seconds that it may take: a step that hangs must leave the others their time.
        needs: the file that an earlier step must have left, or this one is not begun.
    """

    name: str
    words: Sequence[str]
    least: float = 20.0
    most: float = 180.0
    needs: Path | None = None


class Day:
    """Steps within a number of seconds, with a log and an archive that are up to date after each.

    Args:
        out: where the folder ``gpu-day`` of all that is made will lie.
        archive: the file that holds the same; beside that folder, unless another is named.
        seconds: how long all may take.
    """

    def __init__(self, out: Path, seconds: float, archive: Path | None = None) -> None:
        self.folder, self.archive = out / NAME, archive or out / f"{NAME}.tar.gz"
        self.began, self.seconds = time.monotonic(), seconds
        self.outcomes: list[tuple[str, float, str]] = []  # step, seconds, what became of it
        self.folder.mkdir(parents=True)  # of two days that start at once, one
        self.log = (self.folder / "log.txt").open("a", encoding="utf-8")

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return self.seconds - (time.monotonic() - self.began)

    def say(self, text: str) -> None:
        """Print a line with the time spent and the time left, and write it to the log."""
        line = f"[{clock(self.seconds - self.left)}, {clock(self.left)} left] {text}"
        self.log.write(line + "\n")
        self.log.flush()
        with contextlib.suppress(OSError):  # nobody may be listening any more
            print(line, flush=True)

    def run(self, steps: Sequence[Step], environment: dict[str, str]) -> None:
        """Do the steps in order; what was done is kept whatever ends this."""
        try:
            for step in steps:
                why_not = self.hindrance(step)
                if why_not:
                    self.conclude(step, 0.0, f"skipped: {why_not}")
                else:
                    self.do(step, environment)
                self.keep()
        finally:
            for name, seconds, outcome in self.outcomes:
                self.say(f"  {name:30} {seconds:6.1f} s  {outcome}")
            self.keep()

    def hindrance(self, step: Step) -> str:
        """Return why a step is not to be begun, or an empty text."""
        if step.needs and not step.needs.exists():
            return f"it needs {step.needs.name}"
        return f"less than {step.least:.0f} s are left" if self.left < step.least else ""

    def do(self, step: Step, environment: dict[str, str]) -> None:
        """Run one step, and end it when it or the day has taken its time, or when the day itself is ended."""
        self.say(f"{step.name}: {' '.join(step.words)}")
        began, outcome, limit = time.monotonic(), "ended early", min(step.most, self.left)
        process = subprocess.Popen(
            step.words,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
        )
        leash = subprocess.Popen(LEASH, stdin=subprocess.PIPE, process_group=process.pid)
        listener = threading.Thread(target=self._listen, args=(process.stdout,), daemon=True)
        listener.start()
        try:
            code = process.wait(limit)
            outcome = "done" if code == 0 else f"failed: exit status {code}, see above"
        except subprocess.TimeoutExpired:
            outcome = f"failed: ended after {limit:.0f} s"
        finally:
            _end(process)
            leash.communicate()
            listener.join(PATIENCE)
            self.conclude(step, time.monotonic() - began, outcome)

    def conclude(self, step: Step, seconds: float, outcome: str) -> None:
        """Note and say what became of a step."""
        self.outcomes.append((step.name, seconds, outcome))
        self.say(f"{step.name}: {outcome}")

    def keep(self) -> None:
        """Write the archive anew."""
        try:
            for name in pack(self.folder, self.archive):
                self.say(f"{name} is too large for the archive")
        except OSError as error:  # a full disk, say: what was recorded still lies in the folder
            self.say(f"{self.archive} cannot be written: {error}")

    def _listen(self, output: IO[str]) -> None:
        for line in itertools.islice(output, LINES):
            self.say("  " + line.rstrip())
        rest = deque(enumerate(output, 1), LAST)
        if rest and rest[0][0] > 1:
            self.say(f"  ... {rest[0][0] - 1} lines are not kept")
        for _, line in rest:
            self.say("  " + line.rstrip())


def _end(process: subprocess.Popen[str]) -> None:
    """End a step and all that it has started: first it is asked."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(PATIENCE)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def clock(seconds: float) -> str:
    """Return "4:05" for 245 seconds."""
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02}"


def plan(folder: Path, slugs: Sequence[str], rehearse: bool) -> Iterator[Step]:
    """Yield the steps of a day, most valuable first."""
    python = [sys.executable, *(["tools/pretend_gpu.py"] if rehearse else [])]
    card, machine = folder / "card.json", folder / "machine.json"
    yield Step("card", [*python, "tools/gpu_card.py", str(card)])
    measure = [*python, "-m", "lessons", "passport", "--output", str(machine)]
    yield Step("passport", measure, least=45.0, needs=card)
    passport = card if rehearse else machine  # a rehearsal makes up its passport
    how = ["--device", "cuda", "--to", str(folder / "recorded"), *(["--rehearse"] if rehearse else [])]
    for slug in slugs:
        yield Step(f"record {slug}", [*python, "-m", "lessons", "record", slug, *how], needs=passport)
    # In the simulator one check takes as long as all of them on a card, and the tests run them all there anyway.
    yield Step("CUDA checks", [*python, CHECKS, *(["check_chase"] if rehearse else [])], needs=card)
    if not missing():
        yield Step(
            "CUDA tests", [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *TESTS], needs=card
        )


def missing() -> list[str]:
    """Return what the tests need and this Python has not got."""
    return [name for name in NEEDED_BY_TESTS if importlib.util.find_spec(name) is None]


def main(argv: Sequence[str] | None = None) -> int:
    """Do the day; return 1 when a step failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("slugs", nargs="*", metavar="SLUG", default=CHAPTERS, help="chapters to record (all)")
    parser.add_argument("--minutes", type=float, default=8.0, help="how long all may take (%(default)s)")
    parser.add_argument("--out", type=Path, help="an empty folder (a new one in _build/gpu-days)")
    parser.add_argument("--archive", type=Path, help=f"the one file to bring home (OUT/{NAME}.tar.gz)")
    parser.add_argument(
        "--rehearse", action="store_true", help="without a card: small sizes in the simulator"
    )
    args = parser.parse_args(argv)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    out = (args.out or ROOT / "_build" / "gpu-days" / now).absolute()
    if out.exists() and any(out.iterdir()):
        parser.error(f"{out} is not empty; name another folder with --out")
    try:
        day = Day(out, 60 * args.minutes, args.archive and args.archive.absolute())
    except FileExistsError:
        parser.error(f"another day has just begun in {out}; name another folder with --out")
    environment = {**os.environ, "LESSONS_MACHINE": str(day.folder / "machine.json"), "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH")))
    )
    if args.rehearse:
        environment["NUMBA_ENABLE_CUDASIM"] = "1"
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    day.say(f"this will be in {day.archive}" + (", rehearsed: nothing of it is measured" * args.rehearse))
    if missing():
        day.say(f"the tests that need {' and '.join(missing())} are left out: not installed here")
    day.run(list(plan(day.folder, args.slugs, args.rehearse)), environment)
    day.say(f"take {day.archive} home; there: lessons record --unpack {day.archive.name}")
    return 1 if any(outcome.startswith("failed") for _, _, outcome in day.outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
