"""The Makefile explains itself, and the README names commands that exist."""

import re
import shutil
import subprocess

import pytest
from project import ROOT

TEXT = (ROOT / "Makefile").read_text()


def test_help_lists_every_target_of_a_reader():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", TEXT, flags=re.MULTILINE)[1].split()
    missing = [target for target in phony if not re.search(rf"make {target}\s", shown)]
    assert missing == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_in_the_text_exists(page):
    named = set(re.findall(r"\bmake ([a-z-]+)(?=`| [A-Z]+=|  +#)", (ROOT / page).read_text()))
    assert named and named <= set(re.findall(r"^([a-z-]+):", TEXT, flags=re.MULTILINE))


def test_the_readme_and_the_makefile_run_the_same_tests():
    options = re.search(r"-m pytest (.*)$", TEXT, flags=re.MULTILINE)[1]
    assert (ROOT / "README.md").read_text().count(f"-m pytest {options}") == 2
