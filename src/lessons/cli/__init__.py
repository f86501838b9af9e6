"""The command line: ``lessons COMMAND``. One module a command, listed in COMMANDS.

A command's module has a docstring whose first line is its help, ``add_arguments(parser)`` and ``run(args)``. It
imports what is heavy inside ``run``, so that ``lessons --help`` is instant. ``ending`` turns whatever stops a command
into one line.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from lessons.cli import ending

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


class Parser(argparse.ArgumentParser):
    """Refuses in one sentence; the usage is what ``--help`` shows."""

    def error(self, message: str) -> NoReturn:
        self.exit(ending.REFUSED, f"{self.prog}: {ending.one_line(message)}; see `{self.prog} --help`\n")


def parser() -> Parser:
    """Return the parser of all commands; what it parsed has the command's ``run``."""
    made = Parser(prog="lessons", description="Bytes per Token: the book's own tools.")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, path in COMMANDS.items():
        module = importlib.import_module(path)
        about = (module.__doc__ or "").partition("\n")[0]
        command = commands.add_parser(name, help=about, description=about)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit status; see ``ending``.

    Args:
        argv: the words after ``lessons``; the process's own where None.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    name = f"lessons {words[0]}" if words and words[0] in COMMANDS else "lessons"

    def run() -> int | None:
        args = parser().parse_args(words)
        return args.run(args)

    if argv is None:
        ending.take_the_terminal(name)
    return ending.ended(name, run)
