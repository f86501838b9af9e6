"""How a command ends: in an exit status and at most one line on stderr, whatever stopped it.

A reader gets a sentence: 2 is something that can be put right here, 130 is Ctrl-C (the shell's 128 + SIGINT), 1 is a
fault of this program, which nobody expected. With LESSONS_TRACEBACK=1 the last shows all that Python tells of it.

Ctrl-C ends a command at once: what it has written is whole, and nothing else is lost. Libraries that are being imported
would turn a ``KeyboardInterrupt`` into errors of their own. A command that has something to put away asks for it with
``heed``.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from lessons.errors import LessonError

REFUSED, FAULT, INTERRUPTED = 2, 1, 130


def take_the_terminal(command: str) -> None:
    """Make this process's streams safe to write to, any text, also where the caller has closed them; and heed Ctrl-C.

    What an encoding lacks (the C locale, a Windows console's code page) is written as an escape: an answer that was
    computed is not lost for a character.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the process's life
        with contextlib.suppress(AttributeError):  # a notebook's stream takes any text anyway
            getattr(sys, name).reconfigure(errors="backslashreplace")
    line = f"{command}: interrupted\n".encode()

    def leave(signum: int, frame: object) -> NoReturn:
        with contextlib.suppress(OSError):
            os.write(2, line)
        os._exit(INTERRUPTED)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and is not ignored, as after nohup
        signal.signal(signal.SIGINT, leave)


def heed() -> None:
    """Make Ctrl-C a ``KeyboardInterrupt`` from here on, as Python does by itself."""
    if callable(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, signal.default_int_handler)


def ended(name: str, run: Callable[[], int | None]) -> int:
    """Run a command and return its exit status. What stops it is said in one line.

    Args:
        name: what the line begins with, such as "lessons passport".
        run: the command; None is 0.
    """
    try:
        status = run() or 0
        sys.stdout.flush()  # or Python would do so at its end, and complain in its own way
        return status
    except SystemExit as end:  # argparse has said all there is to say
        return _flushed(int(end.code or 0))
    except BrokenPipeError:  # the reader closed the pager
        return _flushed(0)
    except KeyboardInterrupt:
        return _say(name, "interrupted", INTERRUPTED)
    except Exception as error:
        if _was_interrupt(error):
            return _say(name, "interrupted", INTERRUPTED)
        if os.environ.get("LESSONS_TRACEBACK"):
            traceback.print_exc()
        return _say(name, *explained(error))


def explained(error: Exception) -> tuple[str, int]:
    """Return what a reader is told of an error, and the exit status."""
    if isinstance(error, LessonError):
        return str(error), REFUSED
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("lessons"):
        package = error.name.partition(".")[0]
        return f"the package {package} is not installed; `lessons doctor` names the command that brings it", 2
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        if isinstance(error.filename, str | bytes):
            return f"{os.fsdecode(error.filename)} cannot be used here ({reason})", REFUSED
        return f"the system refuses what this needs ({reason})", REFUSED
    if isinstance(error, MemoryError) or re.search(
        "allocate memory|out of memory", str(error)
    ):  # torch's own
        return "there is not enough memory for this; ask for less, or end another program", REFUSED
    from lessons.cli.libraries import SHOWN, fault

    begun = {name.partition(".")[0] for name in sys.modules}
    for package in SHOWN:
        if package in begun and (reason := fault(package)):
            return f"{package} cannot be used: {reason}", REFUSED
    place = traceback.extract_tb(error.__traceback__)[-1]
    first = next(iter(str(error).strip().splitlines()), "")
    where = f"{os.path.basename(place.filename)}, line {place.lineno}"
    return (
        f"a fault of this program stopped it ({type(error).__name__}: {first}; {where}); "
        "please report it with what LESSONS_TRACEBACK=1 shows",
        FAULT,
    )


def one_line(text: str) -> str:
    """Return ``text`` with an escape for each character that would end the line, or do worse to a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _was_interrupt(error: BaseException | None) -> bool:
    """Tell whether Ctrl-C is behind an error: a library whose import it stopped may say that it cannot be imported."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _say(name: str, sentence: str, status: int) -> int:
    with contextlib.suppress(OSError):
        print(f"{name}: {one_line(sentence)}", file=sys.stderr, flush=True)
    return _flushed(status)


def _flushed(status: int) -> int:
    """Write out what was printed. Where nobody takes it, drop it, so that Python does not try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):  # a stream without a file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status
