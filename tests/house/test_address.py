"""The repository's address is defined once; only the notebooks' first cells repeat it."""

import subprocess

import nbformat
import pytest
from project import ROOT, address
from set_address import setup_cell

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))


def test_no_other_file_holds_it():
    command = ["git", "grep", "--files-with-matches", "--untracked", "-F", address()]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if found.returncode > 1:
        pytest.skip("this is no git checkout")
    holders = [name for name in found.stdout.split() if not name.endswith(".ipynb")]
    assert holders == ["pyproject.toml"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_code_cell_installs_from_it(path):
    notebook = nbformat.read(path, as_version=4)
    first, *others = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert first.source == setup_cell(), "run `make address`"
    assert "remove-cell" in first.metadata.tags
    assert not any(address() in cell.source for cell in others)
