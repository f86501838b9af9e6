"""A CUDA device's pages of the passport."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lessons.measure import time
from lessons.units import Quantity

Progress = Callable[[str], None]
Peaks = Iterator[tuple[str, Quantity]]

SAMPLES = 15


def peaks(progress: Progress) -> Peaks:
    """Yield the first CUDA device's bandwidths, latencies, FLOP/s, transfer rates and launch cost."""
    import torch

    properties = torch.cuda.get_device_properties(0)
    cache = getattr(properties, "L2_cache_size", 0) or 40 << 20
    sizes = {"l2": cache // 4, "dram": min(max(16 * cache, 1 << 30), properties.total_memory // 8)}
    yield from _bandwidths(sizes, progress)
    yield from _latencies(sizes, progress)
    yield from _flops(progress)
    yield from _transfers(progress)
    progress("CUDA: launch")
    tiny = torch.zeros(1, device="cuda")
    yield "cuda.cost.launch", time(lambda: tiny.add_(1), warmup=50, samples=101, device="cuda").median()


def _bandwidths(sizes: dict[str, int], progress: Progress) -> Peaks:
    import torch

    from lessons.kernels.stream import TRAFFIC, moved_bytes, stream

    for level, size in sizes.items():
        for kind in ("read", "copy", "triad"):
            progress(f"CUDA bandwidth: {kind} at {level}")
            arrays = sum(TRAFFIC[kind])
            length = size // arrays // 4096 * 512
            pieces = [torch.ones(length, dtype=torch.float64, device="cuda") for _ in range(arrays)]
            a, b, c = (pieces + pieces[-1:] * 2)[:3]
            repeats = 1 if level == "dram" else 20
            timing = time(
                lambda: stream(kind, a, b, c, repeats=repeats), warmup=3, samples=SAMPLES, device="cuda"
            )
            yield (
                f"cuda.bandwidth.{kind}.{level}",
                timing.rate(moved_bytes(kind, 8 * length) * repeats, "B/s"),
            )


def _latencies(sizes: dict[str, int], progress: Progress) -> Peaks:
    import torch

    from lessons.kernels.chase import chase
    from lessons.kernels.chase.reference import cycle

    steps = 1 << 12
    for level, size in sizes.items():
        progress(f"CUDA latency: {level}")
        stride = 128 // 8  # elements in one line of the device's cache
        links = torch.zeros(min(size, 256 << 20) // 8, dtype=torch.int64)
        lines = len(links) // stride
        links[: lines * stride : stride] = torch.from_numpy(cycle(lines)) * stride
        links = links.cuda()
        timing = time(lambda: chase(links, steps), warmup=2, samples=SAMPLES, device="cuda")
        yield f"cuda.latency.{level}", timing.median().scaled(1 / steps)


def _flops(progress: Progress) -> Peaks:
    import torch

    from lessons.kernels.fma import flop, fma

    for dtype in ("float32", "float64"):
        progress(f"CUDA arithmetic: {dtype}")
        rounds = 1 << 14
        timing = time(lambda: fma(dtype, rounds, device="cuda"), warmup=2, samples=SAMPLES, device="cuda")
        yield f"cuda.flops.{dtype}", timing.rate(flop(dtype, rounds, device="cuda"), "FLOP/s")
    n = 8192
    for dtype in ("float32", "float16", "bfloat16"):
        progress(f"CUDA matrix product: {dtype}")
        a = torch.randn((n, n), dtype=getattr(torch, dtype), device="cuda")
        timing = time(lambda: a @ a, warmup=10, samples=SAMPLES, device="cuda")
        yield f"cuda.matmul.{dtype}", timing.rate(2 * n**3, "FLOP/s")


def _transfers(progress: Progress) -> Peaks:
    import torch

    size = 256 << 20
    device = torch.empty(size, dtype=torch.uint8, device="cuda")
    for pinned in (True, False):
        name = "pinned" if pinned else "pageable"
        host = torch.ones(size, dtype=torch.uint8, pin_memory=pinned)
        for direction, copy in (("h2d", lambda: device.copy_(host)), ("d2h", lambda: host.copy_(device))):
            progress(f"CUDA transfer: {direction}, {name}")
            yield (
                f"cuda.transfer.{direction}.{name}",
                time(copy, warmup=2, samples=9, device="cuda").rate(size, "B/s"),
            )
