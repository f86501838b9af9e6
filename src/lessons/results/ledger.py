"""The ledger: every prediction beside its measurement, one file an experiment, for the report card."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lessons.errors import LessonError
from lessons.files import write_atomic
from lessons.places import ledger_path
from lessons.units import Quantity

VERSION = 4


@dataclass(frozen=True)
class Entry:
    """One experiment's line: what was predicted, guessed by the reader (if asked) and measured.

    Attributes:
        id: the experiment's, "<slug>.<name>".
        title: a few words.
        predicted, measured: in one unit.
        guess: the reader's own, in that unit.
        machine: the fingerprint of the computer that measured.
        textbook: what the textbook's closed form gave, where the prediction adds to it.
        kind: what the prediction claims, such as "ratio" (``lessons.experiments.base.Kind``).
        verdict: how it came out, such as "as-foreseen" (``lessons.measure.verdict``).
        facts: what a sentence may name, each as readers see it (``Experiment.every_fact``).
        findings: what the numbers showed, as the experiment's keys in the order of telling.
        ends: of a ratio, the two values that it divides by their names, each predicted and measured.
    """

    id: str
    title: str
    predicted: Quantity
    measured: Quantity
    guess: float | None = None
    machine: str = ""
    textbook: Quantity | None = None
    kind: str = "estimate"
    verdict: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    ends: Mapping[str, tuple[Quantity, Quantity]] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The chapter's, the first half of the id."""
        return self.id.partition(".")[0]

    @property
    def ratio(self) -> Quantity:
        """Measured over predicted, with the widest interval that both allow."""
        return self.measured.ratio(self.predicted)


class Ledger:
    """A folder with one file an entry, ``<id>.json``, and the reader's guesses apart, ``guesses/<id>.json``.

    Each file is written whole, so processes that write at the same time never lose each other's entries, and
    entries can be dropped without the guesses.

    Args:
        path: the folder; where ``lessons.places.ledger_path`` says when left out.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = Path(path) if path else ledger_path()

    def entries(self, machine: str | None = None) -> list[Entry]:
        """Return the entries in the order in which they were first written; none where there is no folder.

        Args:
            machine: a fingerprint; entries of other machines are then left out.

        Raises:
            LessonError: when ``path`` is a file or cannot be read, or when a file in it is not an entry of this
                version.
        """
        try:
            names = sorted(os.listdir(self.path)) if self.path.exists() else []
        except OSError as error:
            reason = (
                "is a file" if isinstance(error, NotADirectoryError) else f"cannot be read ({error.strerror})"
            )
            raise LessonError(
                f"{self.path} {reason}, and a ledger is a folder; name another with $LESSONS_LEDGER"
            ) from None
        found = [
            pair
            for name in names
            if re.fullmatch(r"[^.].*\.json", name) and (pair := _read(self.path / name))
        ]
        entries = [replace(e, guess=self.guess(e.id)) for _, e in sorted(found, key=lambda pair: pair[0])]
        return [e for e in entries if machine is None or e.machine == machine]

    def entry(self, id: str, machine: str | None = None) -> Entry | None:
        """Return one experiment's entry; None where there is none, of this machine if one is given.

        Raises:
            LessonError: when the file is not an entry of this version, or when the id would not make a file name.
        """
        found = _read(self._entry_path(id))
        if found is None or machine not in (None, found[1].machine):
            return None
        return replace(found[1], guess=self.guess(id))

    def guess(self, id: str) -> float | None:
        """Return what the reader guessed for an experiment; None where there is nothing that can be read."""
        try:
            guess = float(json.loads(self._guess_path(id).read_text(encoding="utf-8"))["guess"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        return guess if math.isfinite(guess) else None

    def write(self, entry: Entry) -> None:
        """Add ``entry``, or replace the one with the same id in its place. Without a guess, an old one is kept.

        Raises:
            LessonError: when the file cannot be written, or when the id would not make a plain file name.
        """
        path = self._entry_path(entry.id)
        first = time.time_ns()
        with contextlib.suppress(LessonError, OSError):  # what is damaged is replaced, and goes to the end
            old = _read(path)
            first = old[0] if old else first
        record = {
            "version": VERSION,
            "first_written_ns": first,
            "id": entry.id,
            "title": entry.title,
            "predicted": entry.predicted.to_json(),
            "measured": entry.measured.to_json(),
            "machine": entry.machine,
            "textbook": entry.textbook.to_json() if entry.textbook else None,
            "kind": entry.kind,
            "verdict": entry.verdict,
            "facts": dict(entry.facts),
            "findings": list(entry.findings),
            "ends": {name: [end.to_json() for end in both] for name, both in entry.ends.items()},
        }
        try:
            if entry.guess is not None:
                write_atomic(self._guess_path(entry.id), json.dumps({"guess": entry.guess}) + "\n")
            write_atomic(path, json.dumps(record, indent=1) + "\n")
        except OSError as error:
            raise LessonError(
                f"{self.path} cannot be written ({error.strerror or error}); "
                "make room there, or name another folder with $LESSONS_LEDGER"
            ) from error

    def clear(self) -> None:
        """Drop all entries; the guesses stay."""
        for path in self.path.glob("*.json"):
            path.unlink(missing_ok=True)

    def _entry_path(self, id: str) -> Path:
        if not re.fullmatch(r"\w[\w.-]*", id):
            raise LessonError(
                f"{id!r} can't name an experiment; use letters, digits and dots, like kv_cache.waste"
            )
        return self.path / f"{id}.json"

    def _guess_path(self, id: str) -> Path:
        return self.path / "guesses" / self._entry_path(id).name


def _read(path: Path) -> tuple[int, Entry] | None:
    """Return when an entry was first written, in nanoseconds, and the entry; None when it has just gone.

    Raises:
        LessonError: when the file is not an entry of this version.
    """
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record["version"] != VERSION:
            raise ValueError(f"version {record['version']}")
        if record["id"] != path.name.removesuffix(".json"):
            raise ValueError("it is of another experiment")
        texts, first = (
            [record[k] for k in ("title", "machine", "kind", "verdict")],
            record["first_written_ns"],
        )
        if type(first) is not int or not all(isinstance(text, str) for text in texts):
            raise TypeError("it has a value of another kind")
        predicted, measured = (_quantity(record[key]) for key in ("predicted", "measured"))
        textbook = _quantity(record["textbook"]) if record.get("textbook") else None
        title, machine, kind, verdict = texts
        facts, findings = dict(record["facts"]), tuple(record["findings"])
        if not all(isinstance(text, str) for text in (*facts, *facts.values(), *findings)):
            raise TypeError("a fact or a finding is no text")
        ends = {
            str(name): (_quantity(told), _quantity(found)) for name, (told, found) in record["ends"].items()
        }
        values = (predicted, measured, None, machine, textbook, kind, verdict)
        entry = Entry(record["id"], title, *values, facts, findings, ends)
        ratios = [found.ratio(told) for told, found in ends.values()]
        for shown in filter(None, (predicted, measured, textbook, entry.ratio, *ratios)):
            str(shown)  # raises here what it would raise in the table
        return first, entry
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise LessonError(
            f"{path} is not a ledger entry of version {VERSION} ({error}); delete it and run its chapter again"
        ) from error


def _quantity(record: dict[str, Any]) -> Quantity:
    """Read a quantity, and see that it holds numbers that can be shown."""
    numbers = [record[key] for key in ("value", "low", "high", "n")]
    if any(type(number) not in (int, float) for number in numbers) or not isinstance(record["unit"], str):
        raise TypeError("a number is not a number, or a unit not a text")
    value, low, high, _ = map(float, numbers)
    return Quantity(value, record["unit"], low, high, int(record["n"]))
