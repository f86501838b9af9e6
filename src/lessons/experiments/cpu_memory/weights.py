"""Load the real model's file: by read and by mmap."""

from __future__ import annotations

from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.measure import time
from lessons.passport import Passport
from lessons.units import Quantity, format_value


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
