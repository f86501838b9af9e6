"""Each exercise that builds something: its test is red as handed out, green with a solution, red with a near miss.

``solutions/<slug>/`` holds the solution under the file's own name, and wrong ones as ``wrong_<what>.py``.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

SOLUTIONS = Path(__file__).parent / "solutions"
STUBS = sorted(p for p in (ROOT / "exercises").glob("*/*.py") if not p.name.startswith("test_"))
WRONG = sorted(SOLUTIONS.glob("*/wrong_*.py"))


def passes(stub: Path, instead: Path, folder: Path) -> bool:
    """Run an exercise's own test with ``instead`` in the place of its file."""
    shutil.copy(stub.with_name(f"test_{stub.name}"), folder)
    shutil.copy(instead, folder / stub.name)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)]
    around = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    }
    return subprocess.run(command, cwd=folder, env=around, capture_output=True).returncode == 0


def stub_of(solution: Path) -> Path:
    (stub,) = [p for p in STUBS if p.parent.name == solution.parent.name]
    return stub


@pytest.mark.parametrize("stub", STUBS, ids=lambda p: p.parent.name)
def test_it_starts_red_and_a_solution_makes_it_green(stub, tmp_path):
    red, green = tmp_path / "red", tmp_path / "green"
    red.mkdir(), green.mkdir()
    assert not passes(stub, stub, red)
    assert passes(stub, SOLUTIONS / stub.parent.name / stub.name, green)


@pytest.mark.parametrize("stub", STUBS, ids=lambda p: p.parent.name)
def test_a_reader_who_runs_it_from_the_root_meets_the_stubs_own_words(stub):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", str(stub.parent)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == pytest.ExitCode.TESTS_FAILED
    assert "NotImplementedError" in found.stdout


@pytest.mark.parametrize("wrong", WRONG, ids=lambda p: f"{p.parent.name}, {p.stem}")
def test_a_near_miss_is_red(wrong, tmp_path):
    assert not passes(stub_of(wrong), wrong, tmp_path)


def test_each_has_a_near_miss():
    assert {p.parent.name for p in WRONG} == {p.parent.name for p in STUBS}
