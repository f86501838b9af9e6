"""Load the real model's file: by read and by mmap."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.measure import time
from lessons.measure.verdict import FORESEEN, differs
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value

WAYS = ("read", "mmap", "mmap and touch")


class LoadWeights(Experiment):
    """Load the real model's file: by read() into a buffer, and by mmap."""

    id = "cpu_memory.weights"
    unit = "s"
    needs = (needs.MODEL,)
    FINDINGS = ("mmap-wins", "read-wins", "as-fast", *FORESEEN)

    def predict(self, passport: Passport) -> Outcome:
        from lessons.llm.load import find_model

        size = find_model().stat().st_size
        # By the textbook read() is a copy from memory to memory: read and write count in the copy's rate.
        textbook = passport.bandwidth("copy", "dram").inverse(2 * size, "s")
        # But the system copies page by page from its cache, and each fresh page of ours is a fault on the way.
        rate, fault, pages = passport.page_cache(), passport.cost("page_fault"), -(-size // 4096)
        by = Derivation(
            "S / R + n * f",
            {
                "S": Operand("bytes of the model's file", Quantity(size, "B"), "counted"),
                "R": Operand("copies from the page cache", rate),
                "n": Operand("pages of the buffer", Quantity(pages, "1"), "counted"),
                "f": Operand("first touch of a page", fault),
            },
        )
        copy, faults = rate.inverse(size, "s"), fault.scaled(pages)
        seconds = Quantity(by.value, "s", copy.low + faults.low, copy.high + faults.high)
        touch = size / passport.bandwidth("read", "dram").value
        data = {"size": size, "read": seconds.value, "mmap": 0.0, "mmap and touch": touch}
        return Outcome(seconds, data, textbook, by)

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
        return Outcome(timings["read"], {"size": size, **timings})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        names = list(WAYS)
        places = range(len(names))
        figures.levels(ax, places, [prediction.data[n] for n in names])
        looks.measured(ax, places, [result.data[n] for n in names], linestyle="none")
        ax.set_xticks(places, names)
        figures.time_axis(ax.yaxis)
        ax.set_ylabel("time to load")
        ax.set_xlim(-0.6, len(names) - 0.4)
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        return {
            "opened": format_value(result.data["mmap"].value, "s"),
            "touched": format_value(result.data["mmap and touch"].value, "s"),
            "by_way": "; ".join(
                f"{way} {format_value(result.data[way].value, 's')}, "
                f"predicted {format_value(prediction.data[way], 's')}"
                for way in WAYS
            ),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        faster = differs(result.data["read"].ratio(result.data["mmap and touch"]))
        winner = {1: "mmap-wins", -1: "read-wins", 0: "as-fast"}[faster]
        return [winner, self.verdict(prediction, result)]
