"""Several walks at once: loads that do not wait for each other overlap."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.cpu_memory.curves import dram_bytes, spread
from lessons.formulas import memory
from lessons.measure import time
from lessons.passport import Passport
from lessons.units import Quantity


class Independent(Experiment):
    """Walk several rings at once: the same loads, but now they need not wait for each other."""

    id = "cpu_memory.independent"
    title = "speed-up of 16 independent walks over one"
    unit = "1"
    question = "How much faster are random loads when 16 of them do not depend on each other?"
    SMALL = {"limit": 1 << 20}
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
        import numpy as np

        from lessons.kernels.chase import chase_many, ring

        links = ring(dram_bytes(2, self.limit))
        lines = len(links) // 8
        per_load: list[Quantity] = []
        for walks in self.WALKS:
            progress(f"{walks} walks")
            starts = np.linspace(0, lines, walks, endpoint=False).astype(np.int64) * 8
            steps = (1 << 15) // walks
            timing = time(lambda: chase_many(links, steps, starts), samples=11)
            per_load.append(timing.median().scaled(1 / (steps * walks)))
        speedups = [per_load[0].ratio(q) for q in per_load]
        return Outcome(speedups[-1], {"walks": list(self.WALKS), **spread(speedups, "speedup")})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        x = result.data["walks"]
        figures.predicted(ax, x, prediction.data["speedup"], "Little's law on the passport")
        figures.measured(
            ax, x, result.data["speedup"], result.data["speedup_low"], result.data["speedup_high"]
        )
        ax.set_xlabel("independent walks")
        ax.set_ylabel("loads a second, times one walk")
        ax.set_ylim(bottom=0)
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Speed-up against the number of independent random walks, from 1 to 16. Measured "
            f"{result.quantity.value:.1f} with 16 walks, predicted {prediction.quantity.value:.1f}."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        text = (
            f"By Little's law the passport's bandwidth and latency mean that **{prediction.data['limit']:.0f} lines** "
            "are under way when one thread streams. Sixteen walks give the processor sixteen loads to overlap, and "
            f"it made **{result.quantity.value:.1f} times** as many a second. "
        )
        if result.quantity.high > 2 * result.quantity.low:
            return text + (
                f"But the interval reaches from {result.quantity.low:.1f} to {result.quantity.high:.1f}: something "
                "else used the memory in some of the walks, and this run can't tell. Run it again on a quiet machine."
            )
        if result.quantity.value < 0.75 * prediction.quantity.value:
            return text + (
                "That is less than streaming promised: a stream is helped by prefetchers, which fetch lines nobody "
                "has asked for yet, and a random walk gives them nothing to go by."
            )
        return text + (
            "So the textbook's line that random access is so many times slower than sequential access has no fixed "
            "number. What counts is whether the next address is known."
        )
