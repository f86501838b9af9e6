"""Measure this machine's peaks and write machine.json."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--output", type=Path, help="where to write (machine.json here or above)")
    parser.add_argument("--if-needed", action="store_true", help="keep a passport that is of this machine")


def run(args: argparse.Namespace) -> int:
    """Measure, write, and print what was measured."""
    from lessons import passport
    from lessons.places import passport_path

    if args.if_needed:
        try:
            passport.load(args.output)
            print(f"{args.output or passport_path()} is of this machine; kept")
            return 0
        except passport.PassportError:
            pass
    target = passport.check_target(args.output)
    measured = passport.measure(lambda message: print(f"  {message}", file=sys.stderr, flush=True))
    passport.save(measured, target)
    for key, quantity in measured.peaks.items():
        print(f"{key:34} {quantity}")
    print(f"written to {target}")
    return 0
