"""The command line: ``lessons COMMAND``. One module a command, listed in COMMANDS.

A command's module has a docstring whose first line is its help, ``add_arguments(parser)`` and ``run(args)``. It
imports what is heavy inside ``run``, so that ``lessons --help`` is instant.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from lessons.errors import LessonError

COMMANDS = {
    "doctor": "lessons.cli.doctor",
    "get-model": "lessons.cli.get_model",
    "passport": "lessons.cli.passport",
    "generate": "lessons.cli.generate",
    "serve": "lessons.cli.serve",
    "loadtest": "lessons.cli.loadtest",
    "record": "lessons.cli.record",
    "report": "lessons.cli.report",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit status: 0, or 2 when the reader can put something right.

    Args:
        argv: the words after ``lessons``; the process's own where None.
    """
    parser = argparse.ArgumentParser(prog="lessons", description="Bytes per Token: the book's own tools.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, path in COMMANDS.items():
        module = importlib.import_module(path)
        about = (module.__doc__ or "").partition("\n")[0]
        command = commands.add_parser(name, help=about, description=about)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    try:
        return args.run(args) or 0
    except LessonError as error:
        print(f"lessons {args.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader closed the pager
        sys.stderr.close()
        return 0
