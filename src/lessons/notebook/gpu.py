"""The ``%%gpu`` cell magic: run on a CUDA device, or show what a named machine recorded, or what a source says."""

from __future__ import annotations

import ast
from typing import Any

from lessons.errors import LessonError
from lessons.experiments.base import Experiment, Outcome
from lessons.results import find_recording


def register(shell: Any) -> None:
    """Give ``shell`` (an IPython shell) the cell magic ``%%gpu``."""
    shell.register_magic_function(lambda line, cell: gpu(shell, cell), "cell", "gpu")


def gpu(shell: Any, cell: str) -> None:
    """Run a cell that holds exactly one ``study(x.name)`` call, or show its recording.

    Without a CUDA device the cell is not run. The newest recording of its experiment is drawn and explained by the
    experiment itself, under a badge that names the machine, the date and the command. Where nothing was recorded,
    the experiment's cited text is shown.

    Raises:
        LessonError: when the cell holds anything else.
    """
    from lessons import topology

    experiment = shell.ev(studied(cell))
    if topology.read().gpus:
        shell.run_cell(cell).raise_error()
    else:
        show_elsewhere(experiment)


def studied(cell: str) -> str:
    """Return the source of the one argument of the cell's only statement, ``study(...)``.

    Raises:
        LessonError: when the cell is anything else; without a device there would be nothing to show for it.
    """
    try:
        body = ast.parse(cell).body
    except SyntaxError as error:
        raise LessonError(f"the %%gpu cell is not Python: {error}; write one study(x.name) in it") from None
    call = body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else None
    if (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "study"
        and call.args
    ):
        return ast.unparse(call.args[0])
    raise LessonError(
        f"a %%gpu cell holds exactly one study(x.name), got {cell.strip()!r}; move the rest out of it"
    )


def show_elsewhere(experiment: Experiment) -> None:
    """Show what another machine recorded for ``experiment``, or, where none did, its cited text."""
    from IPython.display import Markdown, display

    from lessons.notebook.study import show

    recording = find_recording(experiment.id)
    if recording is not None:
        parts = recording.experiments[experiment.id]
        prediction, result = (Outcome.from_json(parts[key]) for key in ("prediction", "result"))
        show(experiment, prediction, result, badge=recording.badge)
        return
    display(
        Markdown(
            f"**{experiment.question}**  \n*No CUDA device here, and no machine has recorded this yet. "
            f"`lessons record` on one that has a device will.*\n\n{experiment.cited}"
        )
    )
