"""The build stops at a failing cell and says which."""

import nbformat
import pytest
from build_book import fresh_ledger
from execute import NotebookFailed, execute

from lessons.results import Entry, Ledger
from lessons.units import Quantity


def test_a_build_starts_without_entries_and_with_the_readers_guesses(tmp_path):
    old = Entry("a.x", "t", Quantity(1.0, "s"), Quantity(2.0, "s"), guess=4.0)
    Ledger(tmp_path).write(old)
    ledger = Ledger(fresh_ledger(tmp_path))
    assert ledger.entries() == [] and ledger.guess("a.x") == 4.0
    assert fresh_ledger(tmp_path / "none") == tmp_path / "none"


def write(path, *sources):
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources, start=1)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_an_executed_copy_holds_the_outputs_and_the_source_does_not(tmp_path):
    source, target = write(tmp_path / "a.ipynb", "x = 20", "print(x + 1)"), tmp_path / "b.ipynb"
    execute(source, target, seconds=60)
    assert nbformat.read(target, as_version=4).cells[1].outputs[0].text == "21\n"
    assert nbformat.read(source, as_version=4).cells[1].outputs == []


def test_a_failing_cell_is_named_and_nothing_is_written(tmp_path):
    source, target = write(tmp_path / "a.ipynb", "x = 0", "1 / x", "print('never')"), tmp_path / "b.ipynb"
    with pytest.raises(NotebookFailed, match=r"(?s)a\.ipynb, code cell 2 \(cell-2\).*ZeroDivisionError"):
        execute(source, target, seconds=60)
    assert not target.exists()


def test_a_notebook_that_hangs_is_stopped(tmp_path):
    source = write(tmp_path / "a.ipynb", "import time", "time.sleep(600)")
    with pytest.raises(NotebookFailed, match=r"code cell 2 .*not at its end after 3 s"):
        execute(source, tmp_path / "b.ipynb", seconds=3)
