"""Where this machine's passport and ledger lie, and which files are ours. Standard library only."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from lessons.errors import LessonError

PASSPORT = "machine.json"


def is_passport(path: Path) -> bool:
    """Tell whether ``path`` is a file that this book wrote as a passport, of whatever form or machine.

    Others keep a ``machine.json`` too: theirs is neither read nor written.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(record, dict):
        return False
    forms: tuple[dict[str, type], ...] = (
        {"probes": dict},
        {"version": int, "peaks": dict},
    )  # now, and before
    return any(_has(record, {"fingerprint": str, "machine": dict, **form}) for form in forms)


def passport_path() -> Path:
    """Return where the passport lies, or would lie.

    That is ``$LESSONS_MACHINE``, else the first passport of this book in this folder or one above, else
    ``machine.json`` in this folder.

    Raises:
        LessonError: when ``$LESSONS_MACHINE`` names a folder, or a device or a pipe, which nobody may read to its end.
    """
    named = os.environ.get("LESSONS_MACHINE")
    if named:
        path = Path(named)
        if path.is_dir():
            raise LessonError(f"$LESSONS_MACHINE is the folder {named}; name a file in it, or unset it")
        if path.exists() and not path.is_file():
            raise LessonError(f"$LESSONS_MACHINE is {named}, which is no file; name one, or unset it")
        return path
    here = Path.cwd()
    candidates = (folder / PASSPORT for folder in (here, *here.parents))
    return next(filter(is_passport, candidates), here / PASSPORT)


def ledger_path() -> Path:
    """Return the ledger's folder: ``$LESSONS_LEDGER``, else ``_build/ledger`` beside this machine's passport.

    Notebooks run in their own folder, and the passport lies above it; without one, this folder is taken.
    """
    named = os.environ.get("LESSONS_LEDGER")
    if named:
        return Path(named)
    here = Path.cwd()
    home = next((folder for folder in (here, *here.parents) if is_passport(folder / PASSPORT)), here)
    return home / "_build" / "ledger"


def _has(record: dict[str, Any], kinds: dict[str, type]) -> bool:
    return all(isinstance(record.get(key), kind) for key, kind in kinds.items())
