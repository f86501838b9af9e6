"""The bytes that a copy moves and nobody wrote down."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.cpu_memory.curves import dram_bytes
from lessons.experiments.derivation import Derivation, Operand
from lessons.formulas import memory
from lessons.measure import compare
from lessons.measure.verdict import AT_MOST, BEATEN, differs
from lessons.passport import Passport
from lessons.units import Quantity, format_value


class WriteAllocate(Experiment):
    """Copy an array with normal stores and with stores that go past the caches."""

    id = "cpu_memory.write_allocate"
    unit = "1"
    kind = "at most"
    SMALL = {"limit": 1 << 20}
    FINDINGS = ("alike", "slower", *AT_MOST, "triad-over")
    limit = 1 << 40  # bytes of an array

    def predict(self, passport: Passport) -> Outcome:
        factors = {"copy": memory.write_allocate_factor(1, 1), "triad": memory.write_allocate_factor(2, 1)}
        by = Derivation(
            "(r + 2 * w) / (r + w)",
            {
                "r": Operand("arrays that a copy reads", Quantity(1, "1"), "counted"),
                "w": Operand("arrays that it writes", Quantity(1, "1"), "counted"),
            },
        )
        return Outcome(by.quantity(self.unit), factors, by=by)

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
        return Outcome(found["copy"], found)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        kinds = ["copy", "triad"]
        places = range(len(kinds))
        figures.levels(ax, places, [prediction.data[k] for k in kinds])
        looks.measured(ax, places, [result.data[k] for k in kinds], linestyle="none")
        ax.axhline(1, **figures.guide())
        ax.set_xticks(places, kinds)
        ax.set_xlim(-0.6, len(kinds) - 0.4)
        ax.set_ylim(bottom=min(0.8, ax.get_ylim()[0]))
        ax.set_ylabel("speed-up by non-temporal stores")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        kinds = ("copy", "triad")
        return {
            "gain": format_value(result.quantity.value, "1"),
            "gain_interval": result.quantity,
            "promised": format_value(prediction.quantity.value, "1"),
            "triad": format_value(result.data["triad"].value, "1"),
            "triad_promised": format_value(prediction.data["triad"], "1"),
            "by_kind": "; ".join(
                f"{k}: predicted {prediction.data[k]:.2f}, measured {result.data[k].value:.2f}" for k in kinds
            ),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        gain = {1: [], 0: ["alike"], -1: ["slower"]}[differs(result.quantity)]
        verdict = self.verdict(prediction, result)
        # Where the copy beats its bound too, its own passage gives the reason.
        over = verdict != BEATEN and differs(result.data["triad"], prediction.data["triad"]) > 0
        return [*gain, verdict, *["triad-over"] * over]
