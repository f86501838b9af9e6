"""The ledger: every prediction beside its measurement, one line an experiment, for the report card."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lessons.errors import LessonError
from lessons.files import write_atomic
from lessons.places import ledger_path
from lessons.units import Quantity

VERSION = 1


@dataclass(frozen=True)
class Entry:
    """One experiment's line: what was predicted, guessed by the reader (if asked) and measured."""

    id: str
    title: str
    predicted: Quantity
    measured: Quantity
    guess: float | None = None
    machine: str = ""

    @property
    def ratio(self) -> Quantity:
        """Measured over predicted, with the widest interval that both allow."""
        return self.measured.ratio(self.predicted)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "predicted": self.predicted.to_json(),
            "measured": self.measured.to_json(),
            "guess": self.guess,
            "machine": self.machine,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Entry:
        return Entry(
            data["id"],
            data["title"],
            Quantity.from_json(data["predicted"]),
            Quantity.from_json(data["measured"]),
            data["guess"],
            data["machine"],
        )


class Ledger:
    """Entries by experiment id, kept in one JSON file that is rewritten whole on each change."""

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = Path(path) if path else ledger_path()

    def entries(self) -> list[Entry]:
        """Return the entries in the order in which they were first written; none where there is no file.

        Raises:
            LessonError: when the file is not a ledger of this version.
        """
        if not self.path.exists():
            return []
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
            if record["version"] != VERSION:
                raise ValueError(f"version {record['version']}")
            return [Entry.from_json(item) for item in record["entries"]]
        except (ValueError, KeyError, TypeError) as error:
            raise LessonError(
                f"{self.path} is not a ledger of version {VERSION} ({error}); delete it and run the chapters again"
            ) from error

    def write(self, entry: Entry) -> None:
        """Add ``entry``, or replace the one with the same id in its place."""
        entries = self.entries()
        ids = [e.id for e in entries]
        if entry.id in ids:
            entries[ids.index(entry.id)] = entry
        else:
            entries.append(entry)
        record = {"version": VERSION, "entries": [e.to_json() for e in entries]}
        write_atomic(self.path, json.dumps(record, indent=1) + "\n")
