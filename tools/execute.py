"""Run one notebook in a kernel of its own and keep what it shows."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError


class NotebookFailed(Exception):
    """A notebook that did not run to its end; the message names the notebook, the cell and the reason."""


def execute(source: Path, target: Path, seconds: float) -> None:
    """Run ``source`` from its own folder and write the executed copy to ``target``.

    Args:
        source: the notebook, without outputs.
        target: where the copy goes; not written where a cell failed.
        seconds: the limit for the whole notebook.

    Raises:
        NotebookFailed: when a cell fails, the kernel dies or the time is up.
    """
    notebook = nbformat.read(source, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": source.parent}},
        extra_arguments=["--log-level=ERROR"],  # the kernel warns of TCP, which here is this machine alone
    )
    began = time.monotonic()
    try:
        asyncio.run(asyncio.wait_for(client.async_execute(), seconds))
    except CellExecutionError as error:
        raise NotebookFailed(f"{_place(source, notebook)} failed:\n{error}") from None
    except (TimeoutError, DeadKernelError):
        # When the time is up the kernel is ended, which nbclient may report as a death.
        in_time = time.monotonic() - began < seconds
        reason = (
            "the kernel died, often for want of memory"
            if in_time
            else f"not at its end after {seconds:.0f} s"
        )
        raise NotebookFailed(f"{_place(source, notebook)}: {reason}") from None
    nbformat.write(notebook, target)


def _place(source: Path, notebook: nbformat.NotebookNode) -> str:
    """Name the last cell that was started: nbclient stamps each with the time when it begins."""
    number, cell_id = 0, "none"
    code = (cell for cell in notebook.cells if cell.cell_type == "code")
    for count, cell in enumerate(code, start=1):
        if "iopub.execute_input" in cell.metadata.get("execution", {}):
            number, cell_id = count, cell.get("id", "without an id")
    return f"{source.name}, code cell {number} ({cell_id})"
