"""How notebooks are kept: in the table of contents, without outputs, under one kernel name."""

import nbformat
import pytest
from project import LAST, ROOT, notebooks

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))


def test_every_notebook_is_in_the_table_of_contents():
    assert sorted(notebooks()) == NOTEBOOKS


def test_the_pages_that_sum_up_come_last():
    assert tuple(path.stem for path in notebooks())[-len(LAST) :] == LAST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
            assert not cell.source.rstrip().endswith(";"), (
                "a semicolon does not silence a value in every runner"
            )
