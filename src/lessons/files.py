"""Files that are written whole or not at all, and what a killed process has left of them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lessons.errors import LessonError

ABANDONED = 600.0  # seconds: what has not changed for so long nobody is writing any more


def write_atomic(path: Path | str, data: str | bytes) -> None:
    """Write ``data`` to ``path`` so that a reader sees the old file or the new one, never a part.

    Args:
        path: the file to write; its folder is made when missing. A symbolic link stays, and what it points to is
            written. A new file gets the rights that the umask leaves, an old one keeps its own. What a process that
            was killed has left beside it is dropped after ten minutes, by the next who writes.
        data: text (written as UTF-8) or bytes.

    Raises:
        OSError: when the folder cannot be written, or when ``path`` is a folder, a device or a pipe; what was there
            is then untouched.

    Source:
        POSIX ``rename`` replaces its target in one step within a file system.
    """
    path = _target(path)
    raw = data.encode() if isinstance(data, str) else data
    _sweep(path)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.chmod(fresh, path.stat().st_mode & 0o7777)
        os.replace(fresh, path)
    except BaseException:
        os.unlink(fresh)
        raise


def check_writable(path: Path | str) -> None:
    """Find out, before the work is done, whether ``write_atomic`` will be able to write ``path``.

    Its folder is made when missing, since it will be needed.

    Raises:
        LessonError: with the reason, when it will not.
    """
    try:
        target = _target(path)
        probe = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        os.unlink(probe)
    except OSError as error:
        raise LessonError(f"{path} cannot be written ({error.strerror}); name another file") from None


@contextlib.contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """Make ``folder`` for what is thrown away afterwards; what a killed process has left in it is thrown away first.

    One process at a time may use it.

    Yields:
        The folder, which is empty and this user's alone; the temporary files' own where it cannot be made.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder, mode=0o700)
    except OSError:
        yield Path(tempfile.gettempdir())
        return
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(path: Path) -> None:
    """Delete what killed writers of ``path`` have left."""
    fresh = re.compile(re.escape(f".{path.name}.") + "[0-9a-f]{12}")
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if fresh.fullmatch(entry.name) and time.time() - entry.stat().st_mtime > ABANDONED:
                os.unlink(entry)


def _target(path: Path | str) -> Path:
    """Return the file behind ``path``, with its folder made."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        code = errno.EISDIR if target.is_dir() else errno.EINVAL
        reason = "it is a folder" if target.is_dir() else "it is a device or a pipe, not a file"
        raise OSError(code, reason, str(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
