"""Bringing data to where it is used: DataLoader workers, the model's own weights, pinned transfers."""

from __future__ import annotations

import warnings
import zlib
from time import perf_counter
from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress, Unavailable
from lessons.measure import median_interval, time
from lessons.passport import Passport
from lessons.units import Quantity, format_value


class Texts:
    """A data set whose items must be decoded: compressed English prose, as a real loader meets it."""

    def __init__(self, items: int, passes: int = 6) -> None:
        from pydoc_data.topics import topics

        text = "\n".join(topics.values()).encode()
        self.packed = zlib.compress(text[:400_000])
        self.items, self.passes = items, passes

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, index: int) -> int:
        return sum(len(zlib.decompress(self.packed)) for _ in range(self.passes))


class DataLoaderWorkers(Experiment):
    """Feed a consumer from 0 to 4 DataLoader workers."""

    id = "cpu_memory.loader"
    title = "speed-up of one DataLoader worker for each core"
    unit = "1"
    question = "How many times faster does a DataLoader decode with one worker for each core than with none?"
    WORKERS = (0, 1, 2, 4)
    ITEMS = 64

    def predict(self, passport: Passport) -> Outcome:
        cores = passport.threads
        # Worker 0 decodes in the consumer's own process; each further one adds a core, as long as there is one.
        return Outcome(
            Quantity(cores, "1"),
            {"workers": list(self.WORKERS), "speedup": [min(max(1, w), cores) for w in self.WORKERS]},
        )

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons import topology

        cores = topology.read().cores
        counts = sorted({*self.WORKERS, cores}) if cores <= 8 else list(self.WORKERS)
        seconds = {}
        for workers in counts:
            progress(f"{workers} workers")
            seconds[workers] = median_interval([self._pass(workers) for _ in range(3)], "s")
        speedups = {w: seconds[0].ratio(q) for w, q in seconds.items()}
        best = speedups[cores if cores in speedups else max(speedups)]
        return Outcome(
            best,
            {
                "workers": list(speedups),
                "speedup": [q.value for q in speedups.values()],
                "low": [q.low for q in speedups.values()],
                "high": [q.high for q in speedups.values()],
            },
        )

    def _pass(self, workers: int) -> float:
        """Return the seconds between the first item and the last, so that starting the workers is left out."""
        from torch.utils.data import DataLoader

        with warnings.catch_warnings():
            # torch warns of more workers than cores, which is what is tried here.
            warnings.simplefilter("ignore", UserWarning)
            loader: DataLoader[int] = DataLoader(Texts(self.ITEMS), batch_size=None, num_workers=workers)  # type: ignore[arg-type]
            items = iter(loader)
        next(items)
        start = perf_counter()
        for _ in items:
            pass
        return (perf_counter() - start) / (self.ITEMS - 1)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        figures.predicted(ax, prediction.data["workers"], prediction.data["speedup"])
        figures.measured(
            ax, result.data["workers"], result.data["speedup"], result.data["low"], result.data["high"]
        )
        ax.set_xticks(result.data["workers"])
        ax.set_xlabel("num_workers")
        ax.set_ylabel("items a second, times no worker")
        ax.set_ylim(bottom=0)
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        pairs = ", ".join(
            f"{w} workers {s:.2f}" for w, s in zip(result.data["workers"], result.data["speedup"])
        )
        return f"Decoding speed against the number of DataLoader workers, in multiples of none: {pairs}."

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        by_workers = dict(zip(result.data["workers"], result.data["speedup"]))
        most, peak = max(by_workers), max(by_workers.values())
        text = (
            "`num_workers=0` is the default, and it means that the training loop decodes each item itself while "
            "the device waits. "
        )
        if peak < 1.2:
            return text + (
                f"Here workers brought nothing: the best of all was {peak:.2f} times none. Either the cores had other "
                "work meanwhile, and a worker is worth a free core and nothing else, or handing the items from one "
                "process to another costs what decoding in parallel saves."
            )
        if by_workers[most] >= 0.95 * peak:
            return text + (
                f"Here the largest number tried, {most}, was as good as any. More workers than cores do not help "
                "further; they cost memory, since each is a process."
            )
        return text + (
            f"Past the cores more workers bring nothing: {most} of them reached {by_workers[most]:.2f}, and the best "
            f"was {peak:.2f}. They share the same cores, and the consumer needs one too."
        )


class LoadWeights(Experiment):
    """Load the real model's file: by read() into a buffer, and by mmap."""

    id = "cpu_memory.weights"
    title = "reading the model's file into a fresh buffer, page cache warm"
    unit = "s"
    question = (
        "How long does it take to bring the model's weights into a process when the file is already cached?"
    )

    def predict(self, passport: Passport) -> Outcome:
        from lessons.llm.load import find_model

        size = find_model().stat().st_size
        # read() copies once (read and write count in the copy's rate) and touches fresh pages on the way.
        copy = passport.bandwidth("copy", "dram").inverse(2 * size, "s")
        faults = passport.cost("page_fault").scaled(size / 4096)
        seconds = Quantity(copy.value + faults.value, "s", copy.low + faults.low, copy.high + faults.high)
        touch = size / passport.bandwidth("read", "dram").value
        data = {"size": size, "read": seconds.value, "mmap": 0.0, "mmap and touch": touch}
        return Outcome(seconds, data)

    def run(self, progress: Progress = SILENT) -> Outcome:
        import mmap

        import numpy as np

        from lessons.llm.load import find_model

        path = find_model()
        size = path.stat().st_size
        path.read_bytes()  # warm the page cache

        def read() -> None:
            with open(path, "rb", buffering=0) as file:
                file.readinto(np.empty(size, np.uint8).data)

        def opened(touch: bool) -> None:
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                if touch:
                    pages = np.frombuffer(view, np.uint8)[: size // 8 * 8].view(np.uint64)
                    int(pages.sum())
                    del pages

        ways = {"read": read, "mmap": lambda: opened(False), "mmap and touch": lambda: opened(True)}
        timings = {}
        for name, way in ways.items():
            progress(name)
            timings[name] = time(way, samples=9).median()
        data = {name: [q.value, q.low, q.high] for name, q in timings.items()}
        return Outcome(timings["read"], {"size": size, **data})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        names = ["read", "mmap", "mmap and touch"]
        marks: dict[str, Any] = {"linestyle": "none", "marker": "_", "ms": 30, "mew": 3}
        figures.predicted(ax, names, [prediction.data[n] for n in names], **marks)
        values, low, high = ([result.data[n][i] for n in names] for i in range(3))
        figures.measured(ax, names, values, low, high, linestyle="none")
        figures.time_axis(ax.yaxis)
        ax.set_xlim(-0.6, 2.6)
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        parts = [
            f"{n} {format_value(result.data[n][0], 's')}, predicted {format_value(prediction.data[n], 's')}"
            for n in ("read", "mmap", "mmap and touch")
        ]
        return "Seconds to load the model's file in three ways: " + "; ".join(parts) + "."

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        opened, touched = result.data["mmap"][0], result.data["mmap and touch"][0]
        text = (
            f"`mmap` returned after {format_value(opened, 's')}. It had loaded nothing. The bytes came when they "
            f"were touched, and then it took {format_value(touched, 's')} in all. A loader that is timed without "
            "touching every byte is timed at making a promise. "
        )
        if touched < result.quantity.value:
            return text + (
                "Even so `mmap` wins here: it maps the page cache's own pages, while `read` copies them into new ones."
            )
        return text + (
            "Here `read` was no slower: one large copy costs less than a fault for every few pages of the map."
        )


class PinnedTransfer(Experiment):
    """Copy a buffer to the device from pinned and from pageable memory."""

    id = "cpu_memory.pinned"
    title = "speed-up of a host-to-device copy by pinning"
    unit = "1"
    device = "cuda"
    panels = None
    question = "How much faster does a buffer reach the device when its pages are pinned?"
    cited = (
        "Pinning is not free. PyTorch's own tutorial shows that `x.pin_memory().to(device, non_blocking=True)` from "
        "the main thread can be slower than a plain `x.to(device)`, since it first copies the buffer into pinned "
        "pages and waits for it. Pin once and reuse, or let the DataLoader's own thread do it "
        "([A guide on good usage of `non_blocking` and `pin_memory()`]"
        "(https://docs.pytorch.org/tutorials/intermediate/pinmem_nonblock.html))."
    )

    def predict(self, passport: Passport) -> Outcome:
        return Outcome(passport.transfer("h2d", True).ratio(passport.transfer("h2d", False)))

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        if not torch.cuda.is_available():
            raise Unavailable("torch finds no CUDA device on this computer")
        target = torch.empty(64 << 20, dtype=torch.uint8, device="cuda")
        seconds = {}
        for name, pinned in (("pinned", True), ("pageable", False)):
            host = torch.ones(64 << 20, dtype=torch.uint8, pin_memory=pinned)
            seconds[name] = time(lambda: target.copy_(host), warmup=3, samples=15, device="cuda").median()
        fresh = torch.ones(64 << 20, dtype=torch.uint8)
        seconds["pin now, then copy"] = time(
            lambda: target.copy_(fresh.pin_memory(), non_blocking=True), warmup=3, samples=15, device="cuda"
        ).median()
        ratio = seconds["pageable"].ratio(seconds["pinned"])
        return Outcome(ratio, {name: q.value for name, q in seconds.items()})

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        parts = ", ".join(f"{name} {format_value(s, 's')}" for name, s in result.data.items())
        return f"One buffer, three ways: {parts}. Pinning pays once the buffer is used again."
