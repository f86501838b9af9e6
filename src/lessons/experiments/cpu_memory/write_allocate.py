"""The bytes that a copy moves and nobody wrote down."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.cpu_memory.curves import dram_bytes
from lessons.formulas import memory
from lessons.measure import compare
from lessons.passport import Passport
from lessons.units import Quantity


class WriteAllocate(Experiment):
    """Copy an array with normal stores and with stores that go past the caches."""

    id = "cpu_memory.write_allocate"
    title = "speed-up of a copy by non-temporal stores"
    unit = "1"
    question = "How much faster is a large copy whose stores do not first read the line that they overwrite?"
    SMALL = {"limit": 1 << 20}
    limit = 1 << 40  # bytes of an array

    def predict(self, passport: Passport) -> Outcome:
        factors = {"copy": memory.write_allocate_factor(1, 1), "triad": memory.write_allocate_factor(2, 1)}
        return Outcome(Quantity(factors["copy"], "1"), factors)

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.stream import TRAFFIC, stream
        from lessons.kernels.tools.buffers import aligned

        found = {}
        arrays = [aligned(dram_bytes(6, self.limit) // 8 // 64 * 64, fill=1.0) for _ in range(3)]
        for kind in ("copy", "triad"):
            progress(kind)
            a, b, c = arrays if sum(TRAFFIC[kind]) == 3 else (arrays[0], arrays[1], arrays[1])
            result = compare(
                lambda: stream(kind, a, b, c, nontemporal=True), lambda: stream(kind, a, b, c), rounds=7
            )
            found[kind] = result.ratio
        data = {kind: [q.value, q.low, q.high] for kind, q in found.items()}
        return Outcome(found["copy"], data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.figures.style import FOREGROUND

        (ax,) = figure.axes
        kinds = ["copy", "triad"]
        figures.predicted(
            ax, kinds, [prediction.data[k] for k in kinds], linestyle="none", marker="_", ms=30, mew=3
        )
        values, low, high = ([result.data[k][i] for k in kinds] for i in range(3))
        figures.measured(ax, kinds, values, low, high, linestyle="none")
        ax.axhline(1, color=FOREGROUND, lw=0.8)
        ax.set_xlim(-0.6, 1.6)
        ax.set_ylim(0.8, 1.9)
        ax.set_ylabel("speed-up by non-temporal stores")
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        parts = [
            f"{k}: predicted {prediction.data[k]:.2f}, measured {result.data[k][0]:.2f}" for k in result.data
        ]
        return "Speed-up by non-temporal stores. " + "; ".join(parts) + "."

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        ratio = result.quantity
        if ratio.high < 1.05:
            return (
                "Here the two copies take the same time. Either this processor notices that whole lines are being "
                "overwritten and leaves the read out by itself, or the target has no such store."
            )
        if ratio.low > 1.6:
            return (
                f"The gain, **{ratio.value:.2f}**, is larger than the traffic explains. The read that a normal "
                "store makes also takes a place in the short list of lines that may be under way; without it, "
                "more of the useful reads fit."
            )
        return (
            f"A copy names two bytes and moves three; leaving the third out gives **{ratio.value:.2f}** of the "
            "promised 1.50. This is why a bandwidth without the words *non-temporal* or *write-allocate* beside "
            "it cannot be compared with another."
        )
