"""Two of anything at once: each gets its own, or one waits with a word for the other."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import nbformat
import psutil
import pytest
from jupyter_client.manager import start_new_kernel
from project import ROOT

from lessons.results import Ledger

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups")

if os.name != "nt":
    from kill_loop import Scratch


class Both:
    """Two processes of the same command, and what they have said."""

    def __init__(self, words, folder, environment):
        around = {"cwd": folder, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes = [subprocess.Popen(words, text=True, **around) for _ in range(2)]
        said = [process.communicate(timeout=300) for process in processes]
        self.codes = [process.returncode for process in processes]
        self.pids = [process.pid for process in processes]
        self.out, self.err = zip(*said)
        self.all = "\n".join(map("\n".join, said))

    @property
    def waited(self):
        """Which of the two waited for which."""
        return [
            (waiter, int(found[1]))
            for waiter, err in zip(self.pids, self.err)
            for found in re.finditer(r"is at work \(process (\d+) .*waiting for its end\n", err)
        ]


def both(scratch):
    (command,) = scratch.commands
    command.before()
    return Both(command.words, command.folder, scratch.environment)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["environment", "get-model", "passport"])
def test_one_waits_for_the_other_and_both_succeed(tmp_path, name):
    for attempt in range(5):  # on a busy machine the one may have ended before the other begins
        folder = tmp_path / str(attempt)
        folder.mkdir()
        scratch = Scratch(folder, [name])
        done = both(scratch)
        assert done.codes == [0, 0], done.all
        assert list(scratch.broken()) == [] and scratch.run(scratch.commands[0]) == ""
        if name == "passport":  # the second finds what the first has measured
            assert len(re.findall(r"not measured yet; measuring now", done.all)) == 4
        if done.waited:
            break
    first, second = done.pids
    assert done.waited in ([(first, second)], [(second, first)])


@pytest.mark.slow
def test_two_builds_make_one_whole_site(tmp_path):
    scratch = Scratch(tmp_path, ["book"])
    done = both(scratch)
    assert done.codes == [0, 0] and len(done.waited) == 1, done.all
    built = scratch.project / "_build"
    runs = [line.split()[1] for line in (built / "executions.log").read_text().splitlines()]
    assert sorted(runs) == ["intro", "one", "report_card", "two"]
    assert "Nothing has changed since the last build." in done.all
    for name in runs:
        executed = nbformat.read(built / "executed" / "book" / f"{name}.ipynb", as_version=4)
        assert executed.cells[1].execution_count == 1
        assert (built / "html" / "book" / f"{name}.html").exists()


@pytest.mark.slow
def test_what_a_killed_build_has_started_is_waited_for(tmp_path):
    scratch = Scratch(tmp_path, ["book"])
    (command,) = scratch.commands
    slow = scratch.project / "book" / "one.ipynb"
    notebook = nbformat.read(slow, as_version=4)
    notebook.cells[1].source += "\nopen('running', 'w').close()\ntime.sleep(3)"
    nbformat.write(notebook, slow)
    build = scratch.start(command)
    running = slow.with_name("running")
    while not running.exists():
        assert build.poll() is None, scratch.output()
        time.sleep(0.05)
    build.kill()  # it alone: its pytest goes on
    build.wait()
    assert scratch.run(command) == ""
    assert f"process {build.pid} or what it has started" in scratch.output()
    runs = (scratch.project / "_build" / "executions.log").read_text()
    assert [line.split()[1] for line in runs.splitlines()] == ["intro", "report_card"]  # what it ran is kept


FAKE = """
import importlib, sys, time
from lessons import passport
from lessons.experiments.base import Experiment, Outcome
from lessons.units import Quantity
record = importlib.import_module("lessons.cli.record")
def note(word):
    with open("log", "a") as log:
        log.write(word + "\\n")
class Runs(Experiment):
    id, title, unit = "roofline.runs", "a thing", "s"
    def predict(self, passport):
        return Outcome(Quantity(1.0, "s"))
    def run(self, progress=lambda message: None):
        note("begins")
        time.sleep(1)
        note("ends")
        return Outcome(Quantity(2.0, "s"))
record.chapters = lambda device, slugs=(): [("roofline", [Runs()])]
passport.load_or_measure = lambda progress: None
sys.exit(record.main(["record", "--device", "cpu", "--to", "recorded"]))
""".replace("record.main", "importlib.import_module('lessons.cli').main")


def test_two_records_do_not_measure_each_other(tmp_path):
    around = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT / "src")}
    done = Both([sys.executable, "-c", FAKE], tmp_path, around)
    assert done.codes == [0, 0] and len(done.waited) == 1, done.all
    assert (tmp_path / "log").read_text().split() == ["begins", "ends"] * 2


WRITE = """
from lessons.results import Entry, Ledger
from lessons.units import Quantity
for i in range(40):
    Ledger().write(Entry(f"{name}.e{{i}}", "t", Quantity(1.0, "s"), Quantity(2.0, "s"), guess=float(i)))
    Ledger().write(Entry("all.same", "t", Quantity(1.0, "s"), Quantity({value}, "s"), guess={value}))
len(Ledger().entries())
"""


def reply(client, message):
    """Return what became of a message: others may be answered before it."""
    while True:
        answer = client.get_shell_msg(timeout=120)
        if answer["parent_header"]["msg_id"] == message:
            return answer["content"]["status"]


def test_two_kernels_lose_no_entry_and_no_guess(tmp_path):
    around = {**os.environ, "LESSONS_LEDGER": str(tmp_path), "PYTHONPATH": str(ROOT / "src")}
    kernels = [start_new_kernel(env=around) for _ in range(2)]
    try:
        codes = [WRITE.format(name=f"kernel{number}", value=float(number)) for number in range(2)]
        asked = [client.execute(code) for code, (_, client) in zip(codes, kernels)]
        replies = [reply(client, message) for message, (_, client) in zip(asked, kernels)]
    finally:
        for manager, client in kernels:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    assert replies == ["ok", "ok"]
    found = {entry.id: entry.guess for entry in Ledger(tmp_path).entries()}
    assert found.pop("all.same") in (0.0, 1.0)
    assert found == {f"kernel{k}.e{i}": i for k in range(2) for i in range(40)}


LAB = """
import sys, lab
from pathlib import Path
sys.path.insert(0, str(Path.cwd()))
lab.COPIES = Path("copies").absolute()
lab.main()
"""


def test_two_labs_and_whatever_ends_one_ends_jupyterlab(tmp_path):
    (tmp_path / "jupyterlab.py").write_text("import os; print('I am', os.getpid())")
    around = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (tmp_path, ROOT / "tools", ROOT / "src")))}
    done = Both([sys.executable, "-c", LAB], tmp_path, around)
    assert done.codes == [0, 0] and done.err == ("", "")
    assert done.out == tuple(f"I am {pid}\n" for pid in done.pids)
    copies = sorted(path.name for path in (tmp_path / "copies").iterdir())
    assert copies and all(name.endswith(".ipynb") and not name.startswith(".") for name in copies)
    for name in copies:
        nbformat.validate(nbformat.read(tmp_path / "copies" / name, as_version=4))


DAY = """
import os, sys, gpu_day
from pathlib import Path
from gpu_day import Day, Step
hang = "import time; time.sleep(600)"
code = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {hang!r}]); "
code += f"print('child', p.pid, flush=True); {hang}"
Day(Path(sys.argv[1]), 600).run([Step("hangs", [sys.executable, "-c", code])], dict(os.environ))
"""


@contextmanager
def day(folder):
    around = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "tools"), str(ROOT / "src")))}
    process = subprocess.Popen(
        [sys.executable, "-c", DAY, str(folder)], env=around, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_killed_day_takes_its_step_and_that_steps_children_along(tmp_path):
    with day(tmp_path) as process:
        for line in process.stdout:
            if found := re.search(r"child (\d+)", line):
                break
        started = psutil.Process(process.pid).children(recursive=True)
        assert int(found[1]) in [child.pid for child in started] and len(started) == 3
        process.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(started, timeout=30)
        assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []


def test_of_two_days_in_one_folder_one_is_refused(tmp_path, capsys, monkeypatch):
    import gpu_day

    with pytest.raises(FileExistsError):
        for _ in range(2):
            gpu_day.Day(tmp_path / "out", 1.0)
    monkeypatch.setattr(gpu_day.Path, "iterdir", lambda path: iter(()))  # the other begins in this moment
    with pytest.raises(SystemExit):
        gpu_day.main(["--out", str(tmp_path / "out")])
    assert "another day has just begun" in capsys.readouterr().err
