"""Several walks at once: loads that do not wait for each other overlap."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.cpu_memory.curves import dram_bytes
from lessons.experiments.derivation import Derivation, Operand
from lessons.measure import time
from lessons.measure.verdict import JUDGED, MORE, differs
from lessons.passport import Passport
from lessons.units import Quantity

LINE = 64  # bytes: each link of the ring has a cache line to itself


class Independent(Experiment):
    """Walk several rings at once: the same loads, but now they need not wait for each other."""

    id = "cpu_memory.independent"
    unit = "1"
    kind = "ratio"
    SMALL = {"limit": 1 << 20}
    FINDINGS = ("overlaps", *JUDGED, "beyond-streaming", "beyond-overlap")
    limit = 1 << 40  # bytes of the ring
    WALKS = (1, 2, 4, 8, 16)

    def predict(self, passport: Passport) -> Outcome:
        rate, load, most = passport.bandwidth("read", "dram"), passport.latency("dram"), self.WALKS[-1]
        flight = {
            "R": Operand("reads in memory", rate),
            "L": Operand("a load from memory", load),
            "l": Operand("bytes of a line", Quantity(LINE, "B"), "chosen"),
        }
        limit = Derivation("R * L / l", flight).value
        by = Derivation(
            "min(n, max(1, R * L / l))",
            {"n": Operand("walks at once", Quantity(most, "1"), "chosen"), **flight},
        )
        return Outcome(
            by.quantity(self.unit),
            {
                "walks": list(self.WALKS),
                "speedup": [min(w, max(1.0, limit)) for w in self.WALKS],
                "limit": limit,
            },
            by=by,
            ends=self._ends(load, load.scaled(1 / by.value)),
        )

    def _ends(self, alone: Quantity, together: Quantity) -> dict[str, Quantity]:
        """Return the seconds of a load in one walk and in all of them by their names."""
        return {"a load, 1 walk": alone, f"a load, {self.WALKS[-1]} walks": together}

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.chase import ring, walker

        links = ring(dram_bytes(2, self.limit))
        per_load: list[Quantity] = []
        for walks in self.WALKS:
            progress(f"{walks} walks")
            steps = 1 << 15
            per_load.append(time(walker(links, steps, walks), samples=15).median().scaled(1 / steps))
        speedups = [per_load[0].ratio(q) for q in per_load]
        data = {"walks": list(self.WALKS), "speedup": speedups}
        return Outcome(speedups[-1], data, ends=self._ends(per_load[0], per_load[-1]))

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        x = result.data["walks"]
        figures.predicted(
            ax, prediction.data["walks"], prediction.data["speedup"], "Little's law on the passport"
        )
        looks.measured(ax, x, result.data["speedup"])
        ax.set_xticks(x)  # there is no half a walk
        ax.set_xlabel("independent walks")
        ax.set_ylabel("loads per second, times one walk")
        ax.set_ylim(bottom=0)
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        return {
            "lines": f"{prediction.data['limit']:.0f}",
            "gain": f"{result.quantity.value:.1f}",
            "promised": f"{prediction.quantity.value:.1f}",
            "low": f"{result.quantity.low:.1f}",
            "high": f"{result.quantity.high:.1f}",
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        verdict, gain = self.verdict(prediction, result), result.quantity
        found = [*["overlaps"] * (differs(gain) > 0), verdict]
        if differs(gain, prediction.data["walks"][-1]) > 0:
            return [*found, "beyond-overlap"]
        return [*found, *["beyond-streaming"] * (verdict == MORE)]
