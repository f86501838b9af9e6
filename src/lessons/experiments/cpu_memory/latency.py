"""Walk rings of growing size: each load waits for the one before."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.cpu_memory.curves import caches, crowded, curve, dram_bytes, draw_curve, sizes_up_to
from lessons.formulas import memory
from lessons.measure import time
from lessons.passport import Passport
from lessons.units import Quantity, format_binary, format_value


class LatencyStaircase(Experiment):
    """Follow pointers through rings of growing size: each load waits for the one before."""

    id = "cpu_memory.latency"
    title = "latency of one dependent load at the largest ring"
    unit = "s"
    question = "How long does one load take when its line is in no cache?"
    SMALL = {"limit": 1 << 20}
    limit = 1 << 40  # bytes of the largest ring

    def predict(self, passport: Passport) -> Outcome:
        sizes = sizes_up_to(passport.sizes["cpu.dram"] // 2, 4)
        ends, levels = caches(passport), passport.levels
        latencies = [passport.latency(level).value for level in levels]
        expected = [memory.chase_latency(s, ends, latencies) for s in sizes]
        # The curve's last point mixes the last cache and memory; the passport's spread goes with it.
        value = passport.latency("dram").scaled(expected[-1] / latencies[-1])
        return Outcome(value, {"sizes": sizes, "seconds": expected, "caches": ends, "levels": levels})

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.chase import chase, ring, walker

        seconds: list[Quantity] = []
        sizes = sizes_up_to(dram_bytes(2, self.limit), 4)
        steps = 1 << 15
        for size in sizes:
            progress(format_binary(size))
            links = ring(size)
            chase(links, min(size // 64, 1 << 21) // 16 * 16)
            seconds.append(time(walker(links, steps), samples=11).median().scaled(1 / steps))
        return Outcome(seconds[-1], curve(sizes, seconds, "seconds"))

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        draw_curve(ax, prediction, result, "seconds")
        figures.time_axis(ax.yaxis, log=True)
        ax.set_ylabel("time of one load")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        first = format_value(result.data["seconds"][0], "s")
        return (
            "Time of one dependent load against the size of the ring it walks. It rises in steps from "
            f"{first} in the first level to {result.quantity} at the largest ring."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        factor = result.quantity.value / result.data["seconds"][0]
        lines = (
            f"A load from memory takes **{factor:.0f} times** as long as one from the first level. "
            "The treads are rounded, because a random ring of twice the cache's size still finds half its lines "
            "there."
        )
        slower = crowded(prediction, result)
        if slower > 2:
            lines += (
                f" Inside the last cache a load took up to {slower:.1f} times as long as the passport and the sizes "
                "foretell. That cache is shared, here with strangers too: what they hold of it is not ours, and so "
                "the climb to memory begins early."
            )
        if result.quantity.ratio(prediction.quantity).low > 1.1:
            return lines + (
                " The measured end lies above the prediction: a random walk over this much memory also misses "
                "the table of recent page addresses (TLB), which the formula leaves out, and less of the ring sits "
                "in the last cache than the formula takes for granted."
            )
        if result.quantity.ratio(prediction.quantity).high < 0.9:
            return lines + (
                " The measured end lies below the prediction: the passport measured memory when it was busier, "
                "or more of the ring sits in the shared cache than its size promises."
            )
        return lines + " At the largest ring, formula and measurement agree within their spread and a tenth."
