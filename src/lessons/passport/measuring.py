"""Measure this computer's peaks, level by level, in under a minute."""

from __future__ import annotations

import contextlib
import datetime
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version

from lessons import topology
from lessons.passport.document import Passport
from lessons.topology import Topology, working_sets
from lessons.units import Quantity

Progress = Callable[[str], None]
Peaks = Iterator[tuple[str, Quantity]]


def measure(progress: Progress = lambda message: None) -> Passport:
    """Measure this computer and return its passport; nothing is written.

    Args:
        progress: told in a few words what is being measured.
    """
    machine = topology.read()
    sizes = working_sets(machine)
    peaks: dict[str, Quantity] = {}
    with _all_threads(machine.cores):
        # torch's thread pool spins for a while after each call, so what uses it comes last.
        for part in _parts(machine, sizes, progress):
            peaks.update(part)
    return Passport(
        machine=machine.to_json(),
        fingerprint=machine.fingerprint(),
        date=datetime.date.today().isoformat(),
        versions={
            "python": platform.python_version(),
            **{n: version(n) for n in ("numpy", "numba", "torch")},
        },
        peaks=peaks,
        sizes={f"cpu.{level}": size for level, size in sizes.items()},
    )


@contextlib.contextmanager
def _all_threads(cores: int) -> Iterator[None]:
    """Let Numba use ``cores`` threads, whatever the caller's cell had set, and give back what it was."""
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(cores)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def _parts(machine: Topology, sizes: dict[str, int], progress: Progress) -> Iterator[Peaks]:
    from lessons.passport import cpu

    threads = sorted({1, machine.cores})
    yield cpu.bandwidths(sizes, threads, progress)
    yield cpu.latencies(sizes, progress)
    yield cpu.flops(threads, progress)
    yield cpu.costs(machine.cores, progress)
    yield cpu.disk(progress)
    yield cpu.matmuls(threads, progress)
    if machine.gpus:
        from lessons.passport import cuda

        yield cuda.peaks(progress)
