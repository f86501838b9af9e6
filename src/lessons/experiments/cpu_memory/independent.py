"""Several walks at once: loads that do not wait for each other overlap."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.cpu_memory.curves import dram_bytes
from lessons.formulas import memory
from lessons.measure import time
from lessons.measure.verdict import FORESEEN, foreseen
from lessons.passport import Passport
from lessons.units import Quantity


class Independent(Experiment):
    """Walk several rings at once: the same loads, but now they need not wait for each other."""

    id = "cpu_memory.independent"
    unit = "1"
    SMALL = {"limit": 1 << 20}
    FINDINGS = FORESEEN
    limit = 1 << 40  # bytes of the ring
    WALKS = (1, 2, 4, 8, 16)

    def predict(self, passport: Passport) -> Outcome:
        flight = memory.bytes_in_flight(
            passport.bandwidth("read", "dram").value, passport.latency("dram").value
        )
        limit = flight / 64
        return Outcome(
            Quantity(min(self.WALKS[-1], max(1.0, limit)), "1"),
            {
                "walks": list(self.WALKS),
                "speedup": [min(w, max(1.0, limit)) for w in self.WALKS],
                "limit": limit,
            },
        )

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.chase import ring, walker

        links = ring(dram_bytes(2, self.limit))
        per_load: list[Quantity] = []
        for walks in self.WALKS:
            progress(f"{walks} walks")
            steps = 1 << 15
            per_load.append(time(walker(links, steps, walks), samples=15).median().scaled(1 / steps))
        speedups = [per_load[0].ratio(q) for q in per_load]
        return Outcome(speedups[-1], {"walks": list(self.WALKS), "speedup": speedups})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        x = result.data["walks"]
        figures.predicted(ax, x, prediction.data["speedup"], "Little's law on the passport")
        looks.measured(ax, x, result.data["speedup"])
        ax.set_xlabel("independent walks")
        ax.set_ylabel("loads a second, times one walk")
        ax.set_ylim(bottom=0)
        ax.legend()

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        return {
            "lines": f"{prediction.data['limit']:.0f}",
            "gain": f"{result.quantity.value:.1f}",
            "promised": f"{prediction.quantity.value:.1f}",
            "low": f"{result.quantity.low:.1f}",
            "high": f"{result.quantity.high:.1f}",
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        return [foreseen(result.quantity.ratio(prediction.quantity))]
