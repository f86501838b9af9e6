"""A pytest plugin: keep what the cells of notebooks show while nbval runs them.

    pytest -p keep_outputs --keep-outputs FOLDER --nbval-lax book/cpu_memory.ipynb

Each notebook that runs to its end without a failure is written to FOLDER at once and whole, with its outputs, when it
began, the seconds it took, its stamp, and the key that --keep-keys has for its name. So the notebooks are run once, as
tests, and their outputs are the pages; and whatever ends this, those that ran to their end need not run again.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbCell
from stamp import STAMP, stamp

from lessons.files import write_atomic

# In a kept notebook's metadata.
BEGAN, KEY, SECONDS = "began", "key", "seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-outputs", type=Path, metavar="FOLDER", help="where executed notebooks go")
    parser.addoption("--keep-keys", type=json.loads, default={}, metavar="JSON", help="a key for each name")


def pytest_configure(config: pytest.Config) -> None:
    if folder := config.getoption("--keep-outputs"):
        # nbval's kernels have their files among this process's temporary ones, and a kill leaves them behind.
        tempfile.tempdir = os.environ.get("JUPYTER_RUNTIME_DIR", tempfile.tempdir)
        config.pluginmanager.register(Keeper(folder, config.getoption("--keep-keys"), config), "keeper")


class Keeper:
    """Collects the outputs of one notebook after the other; one process runs them in order."""

    def __init__(self, folder: Path, keys: dict[str, str], config: pytest.Config) -> None:
        self.folder, self.keys, self.config = folder, keys, config
        self.began, self.failed, self.cells = 0.0, False, 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None):
        if not isinstance(item, IPyNbCell):
            return (yield)
        if not self.cells:
            self.began = time.time()
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
        seconds = time.time() - self.began
        if not self.failed:
            notebook = item.parent.nb
            name = item.parent.path.name
            notebook.metadata |= {BEGAN: self.began, SECONDS: round(seconds, 1), KEY: self.keys.get(name, "")}
            notebook.metadata[STAMP] = stamp(self.began)
            write_atomic(self.folder / name, nbformat.writes(notebook) + "\n")
            self._say(f" {seconds:.1f} s\n")
        self.cells, self.failed = 0, False

    def _say(self, text: str) -> None:
        """Show progress past pytest's capture."""
        self.config.get_terminal_writer().write(text, flush=True)
