"""Each exercise that builds something: its test is red as handed out, green with a solution, red with a near miss.

``solutions/<slug>/`` holds the solution under the file's own name, and in ``near_misses.toml`` what makes wrong ones of
it: pairs of lines, the solution's and those that a student may write instead.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from project import ROOT

SOLUTIONS = Path(__file__).parent / "solutions"
STUBS = sorted(p for p in (ROOT / "exercises").glob("*/*.py") if not p.name.startswith("test_"))
NEAR_MISSES = [
    pytest.param(stub, miss["swaps"], id=f"{stub.parent.name}, {name}")
    for stub in STUBS
    for name, miss in tomllib.loads(
        (SOLUTIONS / stub.parent.name / "near_misses.toml").read_text("utf-8")
    ).items()
]


def outcome(stub: Path, instead: str, folder: Path) -> int:
    """Run an exercise's own test with the code ``instead`` in the place of its file; return pytest's exit status."""
    folder.mkdir(exist_ok=True)
    shutil.copy(stub.with_name(f"test_{stub.name}"), folder)
    (folder / stub.name).write_text(instead, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)]
    around = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # they take two seconds to load, and no exercise needs one
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])),
    }
    return subprocess.run(command, cwd=folder, env=around, capture_output=True).returncode


def solution(stub: Path) -> str:
    return (SOLUTIONS / stub.parent.name / stub.name).read_text("utf-8")


@pytest.mark.parametrize("stub", STUBS, ids=lambda p: p.parent.name)
def test_it_starts_red_and_a_solution_makes_it_green(stub, tmp_path):
    assert outcome(stub, stub.read_text("utf-8"), tmp_path / "red") == pytest.ExitCode.TESTS_FAILED
    assert outcome(stub, solution(stub), tmp_path / "green") == pytest.ExitCode.OK


@pytest.mark.parametrize("stub", STUBS, ids=lambda p: p.parent.name)
def test_a_reader_who_runs_it_from_the_root_meets_the_stubs_own_words(stub):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", str(stub.parent)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == pytest.ExitCode.TESTS_FAILED
    assert "NotImplementedError" in found.stdout


@pytest.mark.parametrize("stub, swaps", NEAR_MISSES)
def test_a_near_miss_is_red(stub, swaps, tmp_path):
    code = solution(stub)
    for right, wrong in swaps:
        assert code.count(right) == 1
        code = code.replace(right, wrong)
    assert outcome(stub, code, tmp_path) == pytest.ExitCode.TESTS_FAILED


def test_each_has_a_near_miss():
    assert {param.values[0] for param in NEAR_MISSES} == set(STUBS)
