"""A GPU day keeps what was done whatever happens, and all of it but the speed can be rehearsed on a bare machine."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import gpu_day
import psutil
import pytest
from bare import bare_python
from gpu_day import Day, Step
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from project import ROOT

from lessons.cli.record import chapters
from lessons.results import find_recording, recordings, unpack

pytestmark = pytest.mark.skipif(os.name == "nt", reason="such machines run Linux")


def python(name, code, **limits):
    return Step(name, [sys.executable, "-c", code], **{"least": 0.0, **limits})


def run(day, *steps):
    day.run(steps, dict(os.environ))
    return {name: outcome for name, _, outcome in day.outcomes}


def test_every_chapter_with_experiments_for_a_card_is_recorded():
    assert set(gpu_day.CHAPTERS) == {slug for slug, _ in chapters("cuda")}
    words = [" ".join(step.words) for step in gpu_day.plan(Path("day"), gpu_day.CHAPTERS, rehearse=False)]
    assert all(any(f" record {slug} " in line for line in words) for slug in gpu_day.CHAPTERS)
    assert not any("rehearse" in line or "pretend" in line for line in words)


@pytest.mark.parametrize("test", gpu_day.TESTS)
def test_the_tests_that_it_names_exist(test):
    path, _, name = test.partition("::")
    assert f"\ndef {name}(" in (ROOT / path).read_text()


def test_a_step_that_fails_or_hangs_costs_no_other_and_the_log_says_why(tmp_path):
    day = Day(tmp_path, 60)
    outcomes = run(
        day,
        python("fails", "raise RuntimeError('an illegal address')"),
        python("hangs", "import time; print('waiting'); time.sleep(60)", most=0.5),
        python("dies", "import os; os.kill(os.getpid(), 9)"),
        python("works", "print('fine')"),
        python("follows", "", needs=Path(__file__)),
        python("cannot", "", needs=tmp_path / "gpu-day" / "machine.json"),
    )
    assert [text.partition(":")[0] for text in outcomes.values()] == ["failed"] * 3 + ["done"] * 2 + [
        "skipped"
    ]
    log = (tmp_path / "gpu-day" / "log.txt").read_text()
    for words in (
        "an illegal address",
        "ended after 0 s",
        "exit status -9",
        "it needs machine.json",
        "  fine\n",
    ):
        assert words in log
    assert len(re.findall(r"^\[0:0\d, (?:0:5\d|1:00) left\]", log, re.M)) == len(log.splitlines())


def test_what_does_not_fit_is_skipped_and_the_day_ends_in_time(tmp_path):
    day = Day(tmp_path, 1.5)
    outcomes = run(
        day,
        python("too much", "", least=20),
        python("hangs", "import time; time.sleep(60)"),
        python("too late", "", least=0.1),
    )
    assert outcomes["too much"] == "skipped: less than 20 s are left"
    assert outcomes["hangs"].startswith("failed") and outcomes["too late"].startswith("skipped")


def test_what_a_step_has_started_ends_with_it(tmp_path):
    code = "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    day = Day(tmp_path, 60)
    run(day, python("hangs", code + "print('child', p.pid, flush=True); time.sleep(60)", most=2))
    pid = int(re.search(r"child (\d+)", (tmp_path / "gpu-day" / "log.txt").read_text())[1])
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_an_output_without_end_does_not_fill_the_log_and_its_last_words_are_kept(tmp_path):
    run(Day(tmp_path, 60), python("talks", "for i in range(100_000): print(i)\nraise ValueError('the end')"))
    lines = (tmp_path / "gpu-day" / "log.txt").read_text().splitlines()
    assert len(lines) < gpu_day.LINES + gpu_day.LAST + 10
    assert any("lines are not kept" in line for line in lines) and any("the end" in line for line in lines)
    Day(tmp_path / "short", 60).run(
        [python("talks", "for i in range(450): print('line', i)")], dict(os.environ)
    )
    said = (tmp_path / "short" / "gpu-day" / "log.txt").read_text()
    assert [f"line {i}\n" in said for i in range(450)] == [True] * 450 and "not kept" not in said


def test_an_archive_that_cannot_be_written_ends_no_day(tmp_path):
    (tmp_path / "in the way").write_text("a file, no folder")
    day = Day(tmp_path / "out", 60, tmp_path / "in the way" / "archive.tar.gz")
    assert run(day, python("one", ""), python("two", "")) == {"one": "done", "two": "done"}
    assert "cannot be written" in (tmp_path / "out" / "gpu-day" / "log.txt").read_text()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "yesterday").write_text("mine")
    with pytest.raises(SystemExit):
        gpu_day.main(["--out", str(tmp_path)])
    assert "is not empty; name another folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["yesterday"]


ASKED_TO_END = """
import os, signal, sys, gpu_day
from pathlib import Path
from gpu_day import Day, Step
def plan(folder, slugs, rehearse):
    writes = f"open({str(folder / 'found')!r}, 'w').write('42')"
    ends = f"import os, time; os.kill({os.getpid()}, 15); time.sleep(60)"
    yield Step("writes", [sys.executable, "-c", writes])
    yield Step("is ended", [sys.executable, "-c", ends])
gpu_day.plan = plan
sys.exit(gpu_day.main(["--out", sys.argv[1]]))
"""


def test_a_day_that_is_asked_to_end_keeps_what_it_has(tmp_path):
    around = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "tools"), str(ROOT / "src")))}
    done = subprocess.run(
        [sys.executable, "-c", ASKED_TO_END, str(tmp_path)],
        env=around,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 128 + signal.SIGTERM
    shown = subprocess.run(
        ["tar", "xzOf", tmp_path / "gpu-day.tar.gz"], capture_output=True, text=True, check=True
    ).stdout
    assert "42" in shown and "is ended: ended early" in shown


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A bare Python without a network, and the words that start a rehearsal there."""
    interpreter = bare_python(tmp_path_factory.mktemp("bare") / "environment")
    return [str(interpreter), str(ROOT / "tools" / "gpu_day.py"), "--rehearse"]


def around():
    """Return this process's variables without what would lead to its packages."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTHON", "VIRTUAL", "LESSONS"))
    }
    return {**kept, "PYTHONPATH": str(ROOT / "src")}


def test_the_bare_environment_is_bare(bare):
    code = """
import importlib.util, socket
names = "psutil pynvml matplotlib pytest hypothesis IPython tokenizers pip pydantic starlette httpx".split()
print(*[name for name in names if importlib.util.find_spec(name)])
print(*[name for name in ("numpy", "numba", "torch", "lessons") if importlib.util.find_spec(name)])
try:
    socket.create_connection(("127.0.0.1", 9))
except OSError as error:
    print(error)
"""
    done = subprocess.run([bare[0], "-c", code], env=around(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["", "numpy numba torch lessons", "there is no network here"]


@pytest.mark.slow
def test_a_rehearsal_brings_home_what_a_gpu_cell_can_show(bare, tmp_path, monkeypatch):
    done = subprocess.run(
        [*bare, "roofline", "quantization", "--out", tmp_path / "away"],
        env=around(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pytest and hypothesis are left out" in done.stdout and "CUDA checks: done" in done.stdout
    home = tmp_path / "home"
    unpack(tmp_path / "away" / "gpu-day.tar.gz", home, rehearsed=True)
    found = recordings(folder=home, rehearsed=True)
    assert {recording.slug for recording in found} == {"roofline", "quantization"}
    assert all(recording.rehearsed and not recording.is_stale() for recording in found)
    assert recordings(folder=home) == []
    from lessons.notebook import gpu

    InteractiveShell.instance()
    monkeypatch.setattr(gpu, "find_recording", lambda id: find_recording(id, home, rehearsed=True))
    for slug, experiments in chapters("cuda", ["roofline", "quantization"]):
        for experiment in experiments:
            with capture_output() as captured:
                gpu.show_elsewhere(experiment.small())
            texts = [str(output.data) for output in captured.outputs]
            assert any("measures nothing" in text and "no card at all" in text for text in texts), slug
            assert not any("no machine has recorded this" in text for text in texts)


@pytest.mark.slow
def test_a_rehearsal_that_is_killed_half_way_has_the_finished_chapters(bare, tmp_path):
    words = [*bare, "quantization", "kv_cache", "--out", str(tmp_path / "away")]
    day = subprocess.Popen(words, env=around(), stdout=subprocess.PIPE, text=True)
    for line in day.stdout:
        if "record kv_cache: " in line:
            break
    begun = psutil.Process(day.pid).children(recursive=True)
    day.kill()
    for process in begun:
        process.kill()
    day.communicate()
    unpack(tmp_path / "away" / "gpu-day.tar.gz", tmp_path / "home", rehearsed=True)
    (found,) = recordings(folder=tmp_path / "home", rehearsed=True)
    assert (
        found.slug == "quantization"
        and set(found.experiments) == {"quantization.cuda"}
        and not found.is_stale()
    )
