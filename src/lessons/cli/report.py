"""Print the ledger: every prediction beside its measurement."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--ledger", type=Path, help="the folder to read (_build/ledger)")


def run(args: argparse.Namespace) -> int:
    """Print the table, or what to do where the ledger is empty."""
    from lessons.notebook.report_card import card, mine
    from lessons.results import Ledger

    ledger = Ledger(args.ledger)
    entries = mine(ledger)
    if not entries:
        print(
            f"{ledger.path} holds no entries of this machine: run `make book`, or a chapter's notebook, first"
        )
        return 0
    print(card(entries))
    return 0
