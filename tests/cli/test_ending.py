"""How a process of the command line ends: by Ctrl-C at any time, without its streams, in odd surroundings."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from lessons.cli import COMMANDS

# A shell's background job ignores Ctrl-C, and so would its children; here they heed it.
HEEDING = "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
START = "from lessons.__main__ import main\nsys.exit(main())"
# Ctrl-C comes when the module number MANY is looked for.
WHILE_IMPORTING = """
from itertools import count
class Interrupting:
    numbers = count(1)
    def find_spec(self, name, path=None, target=None):
        if next(self.numbers) == MANY:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
"""
# Two probes that take no time; Ctrl-C comes in the second.
WHILE_MEASURING = """
from lessons.passport import peaks
from lessons.passport.probe import Probe
from lessons.units import Quantity
def first(machine, sizes, progress):
    yield "cpu.chase.one", Quantity(1.0, "B/s")
def second(machine, sizes, progress):
    yield "cpu.stream.one", Quantity(1.0, "B/s")
    WHAT
peaks.PROBES = [
    Probe("lessons.kernels.chase", "cpu.chase.", first), Probe("lessons.kernels.stream", "cpu.stream.", second)
]
"""
# A command that prints what it was given.
ECHO = """
from lessons.cli import generate
generate.run = lambda args: print(args.prompt, "\\u4f60\\u597d \\U0001f642 caf\\xe9")
"""
ARGUMENTS = {"generate": ["Hi"], "loadtest": ["http://127.0.0.1:9"]}
NEEDS_SIGNALS = pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")


def python(code, *words, env=None, **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 120, **options}
    return subprocess.run([sys.executable, "-c", code, *words], env={**os.environ, **(env or {})}, **options)


@NEEDS_SIGNALS
@pytest.mark.parametrize("many", [3, 30, 75])
@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_while_modules_are_imported_is_one_line(command, many, tmp_path):
    code = HEEDING + WHILE_IMPORTING.replace("MANY", str(many)) + START
    done = python(code, command, *ARGUMENTS.get(command, []), cwd=tmp_path)
    name = "lessons" if many == 3 else f"lessons {command}"
    assert (done.returncode, done.stdout, done.stderr) == (130, "", f"{name}: interrupted\n")


@NEEDS_SIGNALS
def test_ctrl_c_in_a_library_that_turns_it_into_another_error_is_one_line(tmp_path):
    for many in (400, 900):  # inside torch and NumPy
        done = python(
            HEEDING + WHILE_IMPORTING.replace("MANY", str(many)) + START, "generate", "Hi", cwd=tmp_path
        )
        assert (done.returncode, done.stderr) == (130, "lessons generate: interrupted\n")


@NEEDS_SIGNALS
def test_ctrl_c_while_measuring_keeps_what_was_measured(tmp_path):
    code = HEEDING + WHILE_MEASURING.replace("WHAT", "os.kill(os.getpid(), signal.SIGINT)") + START
    done = python(code, "passport", cwd=tmp_path)
    assert done.returncode == 130 and done.stderr.splitlines()[-1] == "lessons passport: interrupted"
    assert "Traceback" not in done.stderr
    assert list(json.loads((tmp_path / "machine.json").read_text())["probes"]) == ["chase"]
    assert os.listdir(tmp_path) == ["machine.json"]


@NEEDS_SIGNALS
def test_ctrl_c_while_pip_works_ends_pip_as_well(tmp_path):
    busy = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); "
    busy += "os.kill(os.getppid(), 2); time.sleep(600)"
    code = (
        f"from lessons.cli import get_model\nget_model.installer = lambda: [sys.executable, '-c', {busy!r}]\n"
    )
    done = python(HEEDING + code + START, "get-model", "--force")
    assert (done.returncode, done.stderr) == (130, "lessons get-model: interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@NEEDS_SIGNALS
def test_a_job_that_ignores_ctrl_c_goes_on_ignoring_it(tmp_path):
    ignoring = HEEDING.replace("default_int_handler", "SIG_IGN")
    done = python(ignoring + WHILE_IMPORTING.replace("MANY", "30") + START, "report", cwd=tmp_path)
    assert done.returncode == 0 and "no entries" in done.stdout


ENCODINGS = [
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "cp1252"},
    {"PYTHONIOENCODING": "ascii:strict"},
]


@pytest.mark.parametrize("env", ENCODINGS, ids=str)
def test_an_answer_in_any_script_is_written_in_any_encoding(env):
    done = python(HEEDING + ECHO + START, "generate", "naïve", env=env, encoding="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u4f60\\u597d \\U0001f642" in done.stdout  # nothing that was computed is lost


def test_a_terminal_of_another_encoding_is_understood_or_told():
    """Under the C locale Python takes the terminal's UTF-8 for bytes of no encoding."""
    heard = ECHO.replace("print(args.prompt", "print(ascii(args.prompt)")
    done = python(heard + "import sys\n" + START, "generate", "naïve 你好", env=ENCODINGS[0])
    assert (done.returncode, done.stdout.split("'")[1]) == (0, r"na\xefve \u4f60\u597d")
    done = python("import sys\n" + heard + START, "generate", b"caf\xe9", env=ENCODINGS[0])
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "0xe9, which is no UTF-8" in done.stderr and "caf" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["generate", "--help"], ["report"]])
def test_a_pager_that_was_closed_is_no_error(words, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = python("import sys\n" + START, *words, cwd=tmp_path, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_an_answer_that_cannot_be_written_is_said_in_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        done = python("import sys\n" + START, "report", cwd=tmp_path, stdout=full)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "No space left" in done.stderr


@NEEDS_SIGNALS
@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]])
def test_closed_streams_are_no_error(closed, tmp_path):
    done = python(
        "import sys\n" + START,
        "report",
        cwd=tmp_path,
        preexec_fn=lambda: [os.close(number) for number in closed],
    )
    assert done.returncode == 0 and done.stderr == ""
    assert ("no entries" in done.stdout) == (1 not in closed)


@pytest.mark.parametrize(
    "env, status, said",
    [
        ({"NUMBA_DISABLE_JIT": "1"}, 2, "NUMBA_DISABLE_JIT is set"),
        ({"NUMBA_NUM_THREADS": "0"}, 2, "Number of threads specified must be > 0"),
        ({"NUMBA_THREADING_LAYER": "none"}, 2, "'none' is unknown to Numba"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0"}, 0, ""),
    ],
    ids=lambda value: str(value)[:30],
)
def test_odd_surroundings_give_an_answer_or_a_sentence(env, status, said, tmp_path):
    without_home = "import os, sys; os.environ.pop('HOME', None)\n"
    done = python(without_home + START, "generate", "你好", "--max-tokens", "1", env=env, cwd=tmp_path)
    assert done.returncode == status and "Traceback" not in done.stderr, done.stderr
    if status:
        assert done.stdout == "" and done.stderr.count("\n") == 1 and said in done.stderr


def test_a_folder_that_is_gone_is_one_sentence(tmp_path):
    gone = tmp_path / "gone"
    code = f"import os, sys; os.mkdir({str(gone)!r}); os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n"
    for command in ("report", "passport"):
        done = python(code + START, command)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr


def report(code, tmp_path, **env):
    done = python("import sys\n" + code + START, "doctor", cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return {line.split()[1]: line for line in done.stdout.splitlines()}


def test_the_doctor_names_what_is_missing_whatever_it_is(tmp_path):
    lost = ("torch", "numba", "psutil", "tokenizers", "httpx")
    lines = report(f"sys.modules.update(dict.fromkeys({lost}))\n", tmp_path)
    for package in lost:
        assert lines[package].startswith("missing") and lines[package].endswith(f"-m pip install {package}")
    assert lines["numpy"].startswith("ok") and lines["CPU"].startswith("ok") and "Chromium" in lines
    assert lines["model"].startswith("unknown") and "torch is missing" in lines["model"]


@pytest.mark.parametrize("variable, value", [("NUMBA_DISABLE_JIT", "1"), ("NUMBA_NUM_THREADS", "0")])
def test_the_doctor_says_when_the_compiler_is_out_of_order(variable, value, tmp_path):
    lines = report("", tmp_path, **{variable: value})
    assert lines["numba"].startswith("broken") and "NUMBA_" in lines["numba"]
    assert lines["torch"].startswith("ok") and lines["model"].startswith("unknown")


def test_the_doctor_knows_every_package_that_the_project_asks_for():
    import re
    import tomllib
    from pathlib import Path

    from lessons.cli.libraries import OTHERS, SHOWN

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    asked = {re.match(r"[\w-]+", line)[0] for line in project["project"]["dependencies"]}
    assert asked == {*SHOWN, *OTHERS}
