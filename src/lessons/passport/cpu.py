"""The CPU's pages of the passport."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

from lessons.measure import median_interval, time
from lessons.units import Quantity

Progress = Callable[[str], None]
Peaks = Iterator[tuple[str, Quantity]]

SAMPLES = 15
SAMPLE_SECONDS = 4e-3  # of work inside the compiled code in each sample


def bandwidths(sizes: dict[str, int], threads: list[int], progress: Progress) -> Peaks:
    """Yield bytes per second of read, copy and triad for each level and number of threads."""
    from lessons.kernels.stream import TRAFFIC, moved_bytes, stream
    from lessons.kernels.stream.cpu import STEP
    from lessons.kernels.tools.buffers import aligned

    plans = [(kind, level, False) for level in sizes for kind in ("read", "copy", "triad")]
    plans += [(kind, "dram", True) for kind in ("copy", "triad")]
    most = max(threads)
    # One allocation serves all: a fresh one for each plan would spend its time on page faults.
    total = max(max(sizes.values()), most * max(size for level, size in sizes.items() if level != "dram"))
    memory = aligned(total // 8)
    for kind, level, nontemporal in plans:
        name = f"{kind}_nt" if nontemporal else kind
        for count in threads:
            progress(f"bandwidth: {name} at {level}, {count} thread{'s' * (count > 1)}")
            # A cache is private or crowded, so each thread brings its own working set; memory is shared.
            size = sizes[level] * (1 if level == "dram" else count)
            arrays = sum(TRAFFIC[kind])
            length = size // arrays // (STEP * count) * (STEP * count) // 8
            pieces = [memory[i * length : (i + 1) * length] for i in range(arrays)]
            a, b, c = (pieces + pieces[-1:] * 2)[:3]
            once = time(
                lambda: stream(kind, a, b, c, nontemporal=nontemporal, threads=count), samples=3
            ).best()
            repeats = max(1, round(SAMPLE_SECONDS / once)) if level != "dram" else 1
            timing = time(
                lambda: stream(kind, a, b, c, nontemporal=nontemporal, threads=count, repeats=repeats),
                samples=SAMPLES if level != "dram" else 7,
            )
            moved = moved_bytes(kind, 8 * length) * repeats
            yield f"cpu.bandwidth.{name}.{level}.{count}", timing.rate(moved, "B/s")


def latencies(sizes: dict[str, int], progress: Progress) -> Peaks:
    """Yield seconds of a dependent load for each level."""
    from lessons.kernels.chase import chase, ring, walker

    steps = 1 << 16
    for level, size in sizes.items():
        progress(f"latency: {level}")
        links = ring(size)
        chase(links, min(size // 64, 1 << 22) // 16 * 16)  # bring the ring into the caches that can hold it
        timing = time(walker(links, steps), samples=SAMPLES)
        yield f"cpu.latency.{level}", timing.median().scaled(1 / steps)


def flops(threads: list[int], progress: Progress) -> Peaks:
    """Yield FLOP/s in registers for float32 and float64, and OP/s for bytes."""
    from lessons.kernels.fma import CPU_DTYPES, INT8, flop, fma

    rounds = 1 << 17
    for dtype in CPU_DTYPES:
        unit = "OP/s" if dtype == INT8 else "FLOP/s"
        for count in threads:
            progress(f"arithmetic: {dtype}, {count} thread{'s' * (count > 1)}")
            timing = time(lambda: fma(dtype, rounds, threads=count), samples=SAMPLES)
            yield f"cpu.flops.{dtype}.{count}", timing.rate(flop(dtype, rounds, threads=count), unit)


def matmuls(threads: list[int], progress: Progress) -> Peaks:
    """Yield FLOP/s of torch's square matrix product, what a large batch can reach."""
    import torch

    n = 1024
    before = torch.get_num_threads()
    try:
        for dtype in ("float32", "bfloat16"):
            a = torch.ones((n, n), dtype=getattr(torch, dtype))
            for count in threads:
                progress(f"matrix product: {dtype}, {count} thread{'s' * (count > 1)}")
                torch.set_num_threads(count)
                timing = time(lambda: a @ a, warmup=2, samples=9)
                yield f"cpu.matmul.{dtype}.{count}", timing.rate(2 * n**3, "FLOP/s")
    finally:
        torch.set_num_threads(before)


def costs(cores: int, progress: Progress) -> Peaks:
    """Yield seconds of a compiled call, of a parallel call, and of the first touch of a page."""
    from numba import njit, prange, types

    @njit(types.int64(types.int64))
    def nothing(x):
        return x

    @njit(types.int64(types.int64), parallel=True)
    def nothing_in_parallel(x):
        total = 0
        for i in prange(x):
            total += i
        return total

    progress("fixed costs: calls")
    yield "cpu.cost.call", time(lambda: nothing(1), samples=SAMPLES, min_sample_seconds=1e-4).median()
    yield (
        "cpu.cost.launch",
        time(lambda: nothing_in_parallel(cores), warmup=20, samples=51, min_sample_seconds=1e-4).median(),
    )
    progress("fixed costs: page faults")
    yield "cpu.cost.page_fault", page_fault(fresh_pages)


def fresh_pages(size: int):
    """Return ``size`` bytes, uint8, that the kernel has yet to back with memory.

    An allocator may hand out pages that this process has touched before, however large the request, so the
    kernel is asked itself; and asked for huge pages, as NumPy asks for its own large arrays.
    """
    import mmap

    import numpy as np

    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    memory = mmap.mmap(-1, size, **private)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel built without huge pages refuses the advice
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint8)


def page_fault(allocate: Callable) -> Quantity:
    """Return seconds that the first touch of a page costs beyond its second touch.

    Args:
        allocate: returns a fresh uint8 array of so many bytes that nobody has touched.
    """
    page, pages = 4096, 8192

    def touch(array) -> float:
        start = perf_counter()
        array[::page] = 1
        return perf_counter() - start

    costs = []
    for _ in range(9):
        fresh = allocate(page * pages)
        first, again = touch(fresh), touch(fresh)
        costs.append(max(0.0, first - again) / pages)
        del fresh
    return median_interval(costs, "s")


def disk(progress: Progress, size: int = 128 << 20) -> Peaks:
    """Yield bytes per second of a sequential read past the page cache, where a file can be written.

    The file's pages are dropped with ``posix_fadvise`` before each pass; where a system has no such call, or
    keeps its temporary files in memory, there is no disk to speak of and nothing is yielded.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    progress("disk")
    try:
        with tempfile.NamedTemporaryFile(dir=_disk_folder()) as file:
            file.write(os.urandom(size))
            file.flush()
            os.fsync(file.fileno())
            buffer = memoryview(bytearray(4 << 20))

            def read() -> None:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                place = 0
                while place < size:
                    place += os.preadv(file.fileno(), [buffer], place)

            yield "disk.read", time(read, samples=5).rate(size, "B/s")
    except OSError as error:
        progress(f"disk: not measured ({error})")


def _disk_folder() -> str:
    """Return a folder on a disk: the temporary folder often lies in memory."""
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        if os.access(folder, os.W_OK):
            return str(folder)
    raise OSError("no folder here can be written")
