"""Where a passport is kept: ``machine.json`` is written, read, and measured anew where it is not of this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from lessons import topology
from lessons.errors import LessonError
from lessons.files import check_writable, write_atomic
from lessons.passport.document import Passport, PassportError
from lessons.passport.measuring import measure
from lessons.places import is_passport, passport_path


def check_target(to: Path | None = None) -> Path:
    """Return where the passport is to be written, after seeing that it can be: measuring takes a minute.

    Raises:
        LessonError: when the file is somebody else's, or no file, or cannot be written.
    """
    to = to or passport_path()
    if to.is_file() and not is_passport(to):
        raise PassportError(
            f"{to} is not a passport of this book and stays as it is; move it away or name another file"
        )
    check_writable(to)
    return to


def save(passport: Passport, to: Path | None = None) -> Path:
    """Write the passport atomically and return its path; see ``check_target`` for what is raised."""
    to = check_target(to)
    write_atomic(to, json.dumps(passport.to_json(), indent=1) + "\n")
    return to


def load(from_: Path | None = None) -> Passport:
    """Read this machine's passport.

    Raises:
        PassportError: when there is none, when it is damaged, or when another machine wrote it.
    """
    from_ = from_ or passport_path()
    try:
        passport = Passport.from_json(json.loads(from_.read_text(encoding="utf-8")))
    except OSError as error:
        reason = (
            "there is no passport at"
            if isinstance(error, FileNotFoundError)
            else "no passport can be read at"
        )
        raise PassportError(f"{reason} {from_}; measure this machine with `lessons passport`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise PassportError(
            f"{from_} is not a passport of this version ({error}); run `lessons passport`"
        ) from error
    here = topology.read().fingerprint()
    if passport.fingerprint != here:
        raise PassportError(
            f"{from_} is of another machine ({passport.fingerprint}), and this is {here}; run `lessons passport`"
        )
    return passport


def load_or_measure(progress: Callable[[str], None] = lambda message: None) -> Passport:
    """Read this machine's passport; where there is none, or another machine's, measure and keep it.

    A folder that cannot be written is no obstacle: the passport is then good for this process only.
    """
    try:
        return load()
    except PassportError as reason:
        progress(f"{reason}; measuring now, which takes up to a minute")
    try:
        target = check_target()
    except LessonError as reason:
        progress(f"what is measured now will not be kept: {reason}")
        return measure(progress)
    passport = measure(progress)
    save(passport, target)
    return passport
