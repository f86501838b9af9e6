"""Read arrays of growing size: the rate falls in steps where the caches end."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.cpu_memory.curves import (
    caches,
    curve,
    dram_bytes,
    draw_curve,
    falls_late,
    sizes_up_to,
)
from lessons.formulas import memory
from lessons.measure import time
from lessons.passport import Passport
from lessons.units import Quantity, format_binary, format_value


class BandwidthStaircase(Experiment):
    """Read arrays of growing size again and again: the rate falls in steps."""

    id = "cpu_memory.bandwidth"
    title = "read bandwidth at the largest working set"
    unit = "B/s"
    question = "How many bytes a second can one thread read once its array fits in no cache?"
    SMALL = {"limit": 1 << 20}
    limit = 1 << 40  # bytes of the largest working set

    def predict(self, passport: Passport) -> Outcome:
        # Both sides of each cache's end, so that the line steps down exactly there.
        ends = {end for cache in caches(passport) for end in (cache, cache + 1)}
        sizes = sorted({*sizes_up_to(passport.sizes["cpu.dram"]), *ends})
        levels = passport.levels
        rates = [passport.bandwidth("read", level).value for level in levels]
        expected = [rates[min(memory.level(s, caches(passport)), len(rates) - 1)] for s in sizes]
        return Outcome(
            passport.bandwidth("read", "dram"),
            {"sizes": sizes, "rates": expected, "caches": caches(passport), "levels": levels},
        )

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.stream import stream
        from lessons.kernels.tools.buffers import aligned

        sizes = sizes_up_to(dram_bytes(limit=self.limit))
        array = aligned(sizes[-1] // 8)
        rates: list[Quantity] = []
        for size in sizes:
            progress(format_binary(size))
            part = array[: size // 8 // 64 * 64]
            repeats = max(1, (64 << 20) // size)
            timing = time(
                lambda: stream("read", part, part, repeats=repeats), samples=9 if size < 1 << 28 else 5
            )
            rates.append(timing.rate(part.nbytes * repeats, "B/s"))
        return Outcome(rates[-1], curve(sizes, rates, "rates"))

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        draw_curve(ax, prediction, result, "rates")
        figures.rate_axis(ax.yaxis, "B/s", log=True)
        ax.set_ylabel("read bandwidth, 1 thread")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Read bandwidth of one thread against the size of the array. It falls in steps where the array "
            f"outgrows a cache, from {format_value(max(result.data['rates']), 'B/s')} in the first level "
            f"to {result.quantity} in memory."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        top, bottom = max(result.data["rates"]), result.quantity.value
        text = (
            f"Between the first level and memory lies a factor of **{top / bottom:.0f}**. The dashed steps stand "
            "where the caches end. The measured curve comes down *before* each step: other data lives in the "
            "caches too, and an array of exactly the cache's size has no room for anything else."
        )
        if falls_late(prediction, result):
            return text + (
                " After the last cache it comes down late: the system reports a large shared last level, and "
                "sweeping it with one thread still finds part of the data there."
            )
        return text
