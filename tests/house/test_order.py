"""Tests that run beside each other begin with the files that take long, so that none of these is left for the end."""

import os
import shutil
import subprocess
import sys

import pytest
from project import ROOT

TEST = """
@pytest.mark.{mark}
def test_{number}():
    with open("order", "a") as order:
        order.write("{file}{number} ")
"""


def test_files_with_slow_tests_come_first_and_each_stays_whole_and_in_its_order(tmp_path):
    pytest.importorskip("xdist")
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    files = {"a": "--", "b": "----", "c": "s", "d": "-s-s"}
    for file, marks in files.items():
        tests = [
            TEST.format(mark="slow" if mark == "s" else "quick", number=number, file=file)
            for number, mark in enumerate(marks)
        ]
        (tmp_path / f"test_{file}.py").write_text("import pytest\n" + "".join(tests))
    around = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    around["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "-n", "1", "--dist", "loadfile", "."]
    done = subprocess.run(command, cwd=tmp_path, env=around, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "order").read_text() == "d0 d1 d2 d3 c0 b0 b1 b2 b3 a0 a1 "
