"""The disk: a large file read in sequence, past the page cache."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lessons.measure import time
from lessons.passport.probe import Probe, Progress
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.topology import Topology

SIZE = 128 << 20


def measure(
    machine: Topology, sizes: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Quantity]]:
    """Yield bytes per second of a sequential read, where a file can be written.

    The file's pages are dropped with ``posix_fadvise`` before each pass; where a system has no such call, or
    keeps its temporary files in memory, there is no disk to speak of and nothing is yielded.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    progress("disk")
    try:
        with tempfile.TemporaryFile(dir=_folder()) as file:  # without a name: a kill leaves nothing
            file.write(os.urandom(SIZE))
            file.flush()
            os.fsync(file.fileno())
            buffer = memoryview(bytearray(4 << 20))

            def read() -> None:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                place = 0
                while place < SIZE:
                    place += os.preadv(file.fileno(), [buffer], place)

            yield "disk.read", time(read, samples=5).rate(SIZE, "B/s")
    except OSError as error:
        progress(f"disk: not measured ({error})")


def _folder() -> str:
    """Return a folder on a disk: the temporary folder often lies in memory."""
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        if os.access(folder, os.W_OK):
            return str(folder)
    raise OSError("no folder here can be written")


PROBE = Probe(__name__, "disk.", measure)
