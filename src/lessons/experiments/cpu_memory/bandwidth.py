"""Read arrays of growing size: the rate falls in steps where the caches end."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.cpu_memory.curves import (
    caches,
    dram_bytes,
    draw_curve,
    falls_early,
    falls_late,
    held,
    nearer_slower,
    sizes_up_to,
)
from lessons.experiments.derivation import Derivation, Operand
from lessons.formulas import memory
from lessons.measure import time
from lessons.measure.verdict import FORESEEN
from lessons.passport import Passport
from lessons.units import Quantity, format_binary, format_value


class BandwidthStaircase(Experiment):
    """Read arrays of growing size again and again: the rate falls in steps."""

    id = "cpu_memory.bandwidth"
    unit = "B/s"
    SMALL = {"limit": 1 << 20}
    FINDINGS = ("nearer-slower", "early", "late", *FORESEEN)
    limit = 1 << 40  # bytes of the largest working set

    def predict(self, passport: Passport) -> Outcome:
        # Both sides of each cache's end, so that the line steps down exactly there.
        ends = {end for cache in held(passport) for end in (cache, cache + 1)}
        sizes = sorted({*sizes_up_to(passport.sizes["cpu.dram"]), *ends})
        levels = passport.levels
        rates = [passport.bandwidth("read", level).value for level in levels]
        expected = [rates[min(memory.level(s, held(passport)), len(rates) - 1)] for s in sizes]
        rate = passport.bandwidth("read", "dram")
        return Outcome(
            rate,
            {"sizes": sizes, "rates": expected, "caches": caches(passport), "levels": levels},
            by=Derivation("R", {"R": Operand("reads in memory", rate)}),
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
        return Outcome(rates[-1], {"sizes": sizes, "rates": rates})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        draw_curve(ax, prediction, result, "rates")
        figures.rate_axis(ax.yaxis, "B/s", log=True)
        ax.set_ylabel("read bandwidth, 1 thread")

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        top = max(result.data["rates"], key=lambda rate: rate.value)
        near, far = nearer_slower(prediction, result) or ("", "")
        return {
            "top": format_value(top.value, "B/s"),
            "factor": format_value(top.value / result.quantity.value, "1", 2),
            "near": near.upper(),
            "far": far.upper(),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        shown = {
            "nearer-slower": bool(nearer_slower(prediction, result)),
            "early": falls_early(prediction, result),
            "late": falls_late(prediction, result),
        }
        return [*(name for name, seen in shown.items() if seen), self.verdict(prediction, result)]
