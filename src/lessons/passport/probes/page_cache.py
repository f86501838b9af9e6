"""A file that is in memory already: what it costs to copy it out of the page cache by ``read``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lessons.measure import time
from lessons.passport.probe import Probe, Progress
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.topology import Topology

SIZE = 64 << 20


def measure(
    machine: Topology, sizes: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Quantity]]:
    """Yield bytes of the file per second, copied by one system call into memory that was touched before."""
    import numpy as np

    progress("page cache")
    buffer = np.ones(SIZE, np.uint8)
    try:
        with tempfile.TemporaryFile(buffering=0) as file:
            file.write(os.urandom(SIZE))

            def read() -> None:
                file.seek(0)
                file.readinto(buffer.data)

            yield "page_cache.read", time(read, samples=7).rate(SIZE, "B/s")
    except OSError as error:
        progress(f"page cache: not measured ({error})")


PROBE = Probe(__name__, "page_cache.", measure)
