"""Recorded runs of named machines: ``recorded/<machine>/<slug>.json``, package data."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lessons.errors import LessonError
from lessons.files import write_atomic
from lessons.results.digest import chapter_digest

FOLDER = Path(__file__).parent / "recorded"
VERSION = 1
KINDS = {
    **dict.fromkeys(("machine", "slug", "date", "command", "digest"), str),
    **dict.fromkeys(("context", "experiments"), dict),
    "rehearsed": bool,
}


@dataclass(frozen=True)
class Recording:
    """One chapter's experiments as one named machine ran them.

    Attributes:
        machine: a short name in lower case, such as "h100-sxm".
        slug: the chapter.
        date: the day of the run, ISO.
        command: what was typed.
        context: card, driver, clocks, power cap, ECC, MIG state, versions. No host or user name.
        digest: ``chapter_digest`` of the chapter's experiments when it was recorded.
        experiments: by id, {"prediction": Outcome as JSON, "result": Outcome as JSON}.
        rehearsed: the experiments ran in their small form, perhaps without the device: nothing was measured.
    """

    machine: str
    slug: str
    date: str
    command: str
    context: dict[str, Any]
    digest: str
    experiments: dict[str, dict[str, Any]]
    rehearsed: bool = False

    def is_stale(self) -> bool:
        """Tell whether the code that made this recording has changed since."""
        return self.digest != chapter_digest(self.slug)

    @property
    def badge(self) -> str:
        """One line for the reader: which machine, when, by which command."""
        device = self.context.get("device", self.machine)
        how = "rehearsed with small sizes, which measures nothing," if self.rehearsed else "recorded"
        stale = "; the code has changed since" if self.is_stale() else ""
        return f"{how} on {device}, {self.date}, `{self.command}`{stale}"


def recordings(slug: str | None = None, folder: Path = FOLDER, rehearsed: bool = False) -> list[Recording]:
    """Return the recordings there are, newest first; of one chapter where ``slug`` is given.

    Rehearsed ones are left out, unless ``rehearsed`` asks for them too.

    Raises:
        LessonError: when a file is not a recording of this version.
    """
    found = [
        read_recording(path.read_bytes(), str(path)) for path in sorted(folder.glob(f"*/{slug or '*'}.json"))
    ]
    return sorted((r for r in found if rehearsed or not r.rehearsed), key=lambda r: r.date, reverse=True)


def find_recording(experiment_id: str, folder: Path = FOLDER, rehearsed: bool = False) -> Recording | None:
    """Return the newest recording that holds ``experiment_id``, or None; see ``recordings``."""
    slug = experiment_id.split(".")[0]
    found = recordings(slug, folder, rehearsed)
    return next((r for r in found if experiment_id in r.experiments), None)


def recording_path(machine: str, slug: str, folder: Path = FOLDER) -> Path:
    """Return where a machine's recording of a chapter lies.

    Raises:
        LessonError: when the machine's or the chapter's name would not make a plain name of a folder or a file.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,99}", machine):
        raise LessonError(
            f"{machine!r} can't name a machine; use up to 100 lower-case letters, digits and dashes, like h100-sxm"
        )
    if not re.fullmatch(r"[a-z0-9_]{1,99}", slug):
        raise LessonError(f"{slug!r} can't be a chapter's slug; record again with `lessons record`")
    return folder / machine / f"{slug}.json"


def save_recording(recording: Recording, folder: Path = FOLDER) -> Path:
    """Write a recording atomically and return its path.

    Raises:
        LessonError: see ``recording_path``, or when the file cannot be written.
    """
    path = recording_path(recording.machine, recording.slug, folder)
    record = {"version": VERSION, **recording.__dict__}
    try:
        write_atomic(path, json.dumps(record, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        raise LessonError(
            f"{path} cannot be written ({error.strerror or error}); name another folder"
        ) from error
    return path


def read_recording(data: bytes, name: str) -> Recording:
    """Return the recording that a file called ``name`` holds.

    Raises:
        LessonError: when it is not a recording of this version.
    """
    try:
        record = json.loads(data)
        if record.pop("version") != VERSION:
            raise ValueError("another version")
        recording = Recording(**record)
        for key, kind in KINDS.items():
            if not isinstance(getattr(recording, key), kind):
                raise TypeError(f"{key} is not what it should be")
        return recording
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LessonError(
            f"{name} is not a recording of version {VERSION} ({error}); record it again with `lessons record`"
        ) from error
