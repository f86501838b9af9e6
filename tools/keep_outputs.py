"""A pytest plugin: keep what the cells of notebooks show while nbval runs them.

    pytest -p keep_outputs --keep-outputs FOLDER --nbval-lax book/cpu_memory.ipynb

Each notebook that runs to its end without a failure is written to FOLDER, with its outputs and the seconds it took.
So the notebooks are run once, as tests, and their outputs are the pages.
"""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbCell

SECONDS = "seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-outputs", type=Path, metavar="FOLDER", help="where executed notebooks go")


def pytest_configure(config: pytest.Config) -> None:
    if folder := config.getoption("--keep-outputs"):
        config.pluginmanager.register(Keeper(folder, config), "keeper")


class Keeper:
    """Collects the outputs of one notebook after the other; one process runs them in order."""

    def __init__(self, folder: Path, config: pytest.Config) -> None:
        self.folder, self.config = folder, config
        self.began, self.failed, self.cells = 0.0, False, 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None):
        if not isinstance(item, IPyNbCell):
            return (yield)
        if not self.cells:
            self.began = time.monotonic()
            self._say(f"{item.parent.path.stem} ...")
        result = yield
        self.cells += 1
        shown = getattr(item, "test_outputs", None)
        if shown is None:
            self.failed = True
        else:
            item.cell.outputs = [nbformat.from_dict(output) for output in shown]
            item.cell.execution_count = self.cells
        if nextitem is None or nextitem.parent is not item.parent:
            self._finish(item)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    def _finish(self, item: IPyNbCell) -> None:
        """Write the notebook whose last cell this was, unless something in it failed."""
        seconds = time.monotonic() - self.began
        if not self.failed:
            notebook = item.parent.nb
            notebook.metadata[SECONDS] = round(seconds, 1)
            self.folder.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, self.folder / item.parent.path.name)
            self._say(f" {seconds:.1f} s\n")
        self.cells, self.failed = 0, False

    def _say(self, text: str) -> None:
        """Show progress past pytest's capture."""
        self.config.get_terminal_writer().write(text, flush=True)
