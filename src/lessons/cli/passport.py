"""Measure this machine's peaks and write machine.json."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from lessons.errors import LessonError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--output", type=Path, help="where to write (machine.json here or above)")
    parser.add_argument(
        "--if-needed", action="store_true", help="measure only what is missing or was measured by other code"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, write, and print what was measured."""
    from lessons import passport
    from lessons.places import passport_path

    if args.if_needed:
        try:
            if not passport.due(args.output):
                _tell_doubts(passport.load(args.output).doubts)
                print(f"{args.output or passport_path()} is of this machine and this code; kept")
                return 0
        except passport.PassportError as reason:
            passport.check_target(args.output)
            _say(str(reason))
    target = passport.check_target(args.output)
    measured = passport.measure(_say, target, anew=not args.if_needed)
    for key, quantity in measured.peaks.items():
        print(f"{key:34} {quantity}{'  doubtful' if key in measured.doubts else ''}")
    _tell_doubts(measured.doubts)
    try:
        kept = not passport.due(target)
    except passport.PassportError:
        kept = False
    if not kept:  # its folder was full, or has changed in the meantime
        raise LessonError(f"{target} could not be written; name another file with --output")
    print(f"written to {target}")
    return 0


def _tell_doubts(doubts: Mapping[str, str]) -> None:
    from lessons.passport.doubts import lines

    for line in lines(doubts):
        print(line)
    if doubts:
        print("if the machine was busy, `lessons passport` measures again")


def _say(message: str) -> None:
    print(f"  {message}", file=sys.stderr, flush=True)
