"""One at a time: whoever would disturb another waits for its end, and says for whom. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
BEYOND = (
    1 << 30
)  # Windows keeps others from reading what is locked: this is behind all that a lock's file holds
PAUSE = 0.1  # seconds between two tries

_threads: dict[str, threading.RLock] = {}  # this process's threads wait for each other here
_held: dict[str, int] = {}


def tell(message: str) -> None:
    """Say something to whoever waits, on stderr."""
    print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def alone(path: Path, what: str, say: Callable[[str], None] = tell) -> Iterator[tuple[int, ...]]:
    """Wait until nobody else is inside under the lock ``path``, and keep the others waiting.

    The system gives the lock back when the process ends, however it ends: a lock that was left behind is none. Inside,
    the same thread may enter again. Where no file can be written or locked nobody waits.

    Args:
        path: the lock's file, made when missing and never deleted. It holds the process that has the lock.
        what: what the others are called, such as "another build".
        say: told once, where it has to wait.

    Yields:
        What ``pass_fds`` of a child process takes. A child that was given it keeps the lock to its own end, so that
        nobody enters where this process is killed and the child works on. Empty where there is none.

    Source:
        flock(2): the lock belongs to the open file, which a child shares.
    """
    name = os.path.abspath(path)
    with _threads.setdefault(name, threading.RLock()):
        if name in _held:
            yield _passed(_held[name])
            return
        handle = _open(name)
        if handle is None:
            yield ()
            return
        try:
            _wait(handle, what, say)
            _held[name] = handle
            yield _passed(handle)
        finally:
            _held.pop(name, None)
            _release(handle)


def measuring(say: Callable[[str], None] = tell) -> contextlib.AbstractContextManager[tuple[int, ...]]:
    """Let one process of this user at a time measure this machine: two at once would measure each other.

    The lock lies with the temporary files, since it is the machine that is shared and not a folder.
    """
    return alone(mine("lessons-machine.lock"), "another process that measures this machine", say)


def mine(name: str) -> Path:
    """Return a path among the temporary files that is this user's."""
    user = os.getuid() if hasattr(os, "getuid") else ""
    return Path(tempfile.gettempdir()) / f"{name}-{user}"


def _open(name: str) -> int | None:
    try:
        os.makedirs(os.path.dirname(name), exist_ok=True)
        return os.open(name, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError:
        return None


def _wait(handle: int, what: str, say: Callable[[str], None]) -> None:
    told = False
    while not _take(handle):
        if not told:
            say(f"{what} is at work{_holder(handle)}; waiting for its end")
            told = True
        time.sleep(PAUSE)
    with contextlib.suppress(OSError):  # a full disk: the name of the holder is a courtesy
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, str(os.getpid()).encode())


def _take(handle: int) -> bool:
    """Tell whether the lock is ours now, or there are no locks on this file system."""
    try:
        if sys.platform == "win32":
            os.lseek(handle, BEYOND, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in HELD
    return True


def _release(handle: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)  # a child that still has it open keeps nothing
    os.close(handle)


def _holder(handle: int) -> str:
    """Say which process wrote its number into the lock's file last."""
    with contextlib.suppress(OSError, ValueError):
        os.lseek(handle, 0, os.SEEK_SET)
        return f" (process {int(os.read(handle, 20))} or what it has started)"
    return ""


def _passed(handle: int) -> tuple[int, ...]:
    return () if sys.platform == "win32" else (handle,)
