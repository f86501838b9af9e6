"""An element-wise chain, unfused and fused, with its gain taken apart into page faults and traffic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.roofline.sizes import GIB, memory_bytes
from lessons.formulas.memory import first_touch_time, write_allocate_factor
from lessons.measure import time
from lessons.units import Quantity, format_value


class Fusion(Experiment):
    """relu(a x + b) c four ways, and what each part of the gain is made of."""

    id = "roofline.fusion"
    title = "gain of one fused pass"
    unit = "1"
    question = "relu(a x + b) c as four NumPy calls: how many times as fast is one fused pass?"
    SMALL = {"limit": 1 << 20}

    def __init__(self, limit: int = GIB) -> None:
        self.limit = limit

    def predict(self, passport) -> Outcome:
        size = self._bytes()
        copy = passport.bandwidth("copy").value
        # A pass in place reads the line that it writes anyway: it moves two arrays where a copy moves three.
        in_place = copy * write_allocate_factor(1, 1)
        fresh, again = 2 * size / copy, 2 * size / in_place
        faults = first_touch_time(size, passport.cost("page_fault").value)
        parts = {
            "naive": {"traffic": 4 * fresh, "faults": 4 * faults},
            "preallocated": {"traffic": fresh + 3 * again, "faults": 0.0},
            "blocked": {"traffic": fresh, "faults": 0.0},
            "fused": {"traffic": fresh, "faults": 0.0},
        }
        gain = sum(parts["naive"].values()) / sum(parts["fused"].values())
        return Outcome(Quantity(gain, self.unit), {"parts": parts})

    def _bytes(self) -> int:
        return memory_bytes(self.limit) // 4

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.fused import fused, reference
        from lessons.kernels.tools.buffers import aligned

        count = self._bytes() // 4
        x, out = aligned(count, "float32", 0.5), aligned(count, "float32")
        a, b, c = 2.0, -0.25, 0.5
        ways: dict[str, Callable[[], Any]] = {
            "naive": lambda: reference.naive(x, a, b, c),
            "preallocated": lambda: reference.preallocated(x, out, a, b, c),
            "blocked": lambda: reference.blocked(x, out, a, b, c),
            "fused": lambda: fused(x, out, a, b, c),
        }
        data: dict[str, Any] = {}
        medians: dict[str, Quantity] = {}
        for name, way in ways.items():
            progress(name)
            medians[name] = time(way, samples=5).median()
            data[name] = [medians[name].value, medians[name].low, medians[name].high]
        return Outcome(
            Quantity(
                medians["naive"].value / medians["fused"].value,
                self.unit,
                medians["naive"].low / medians["fused"].high,
                medians["naive"].high / medians["fused"].low,
                5,
            ),
            data,
        )

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        names = list(result.data)[::-1]
        parts = prediction.data["parts"]
        traffic = [parts[name]["traffic"] for name in names]
        faults = [parts[name]["faults"] for name in names]
        look = {"height": 0.6, "alpha": 0.6}
        ax.barh(names, traffic, color=figures.COLOURS["vermilion"], label="predicted: traffic", **look)
        ax.barh(
            names,
            faults,
            left=traffic,
            color=figures.COLOURS["orange"],
            label="predicted: page faults",
            **look,
        )
        values, low, high = zip(*(result.data[name] for name in names))
        spread = [[v - a for v, a in zip(values, low)], [b - v for v, b in zip(values, high)]]
        ax.errorbar(
            values, names, xerr=spread, fmt="o", color=figures.COLOURS["blue"], label="measured", capsize=2.5
        )
        figures.time_axis(ax.xaxis)
        ax.legend(loc="lower right")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        times = ", ".join(f"{name} {format_value(v[0], 's')}" for name, v in result.data.items())
        return (
            f"Bars of predicted time, split into traffic and page faults, with the measured times: {times}."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        naive, preallocated, blocked, fused = (
            result.data[name][0] for name in ("naive", "preallocated", "blocked", "fused")
        )
        text = (
            f"The whole gain is {naive / fused:.1f} times. It is a product of two steps: {naive / preallocated:.1f} "
            f"times for no longer allocating, and {preallocated / fused:.1f} times for one pass instead of four. "
        )
        if naive - preallocated > preallocated - fused:
            text += (
                "Most of the time saved is not fusion at all. It is the page faults, and the lines that a store to "
                "fresh memory must first read. An `out=` argument brings that, without a compiler. "
            )
        else:
            text += (
                "Most of the time saved is traffic: the three passes over memory that are no longer made. "
            )
        if blocked > 1.25 * fused:
            text += (
                f"Blocking by hand keeps the traffic of one pass and still takes {blocked / fused:.1f} times as long "
                "as the fused loop: four passes over a cache are not free, nor are so many calls."
            )
        else:
            text += "Blocking by hand, in plain NumPy, is as good as the compiler's fused loop here."
        return text
