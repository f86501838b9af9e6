"""Bank conflicts, timed on a device: the same reads of shared memory with one stride after another."""

from __future__ import annotations

from lessons.experiments import ratios
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Operand
from lessons.experiments.gpu_memory.lanes import lanes
from lessons.experiments.looks import measured
from lessons.formulas import warp
from lessons.measure import time
from lessons.measure.verdict import AS_FORESEEN, JUDGED, LESS, MORE, differs, foreseen
from lessons.passport import needs
from lessons.units import Quantity, format_value

FREE, WORST, PADDED = 1, 32, 33  # strides in words


class GpuBanks(Experiment):
    """Bytes per second that lanes get from shared memory, conflict-free and with all of them on one bank."""

    id = "gpu_memory.gpu_banks"
    unit = "1"
    kind = "ratio"
    device = "cuda"
    needs = (needs.CUDA,)
    SMALL = {"rounds": 2, "strides": (FREE, WORST, PADDED), "samples": 2, "blocks": 1, "threads": 32}
    FINDINGS = (
        *(*JUDGED, "free-decides", "conflict-decides", "both-decide"),
        *("padding-free", "padding-costs"),
    )
    strides: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 33)
    rounds, samples, blocks, threads = 1024, 12, 6, 256

    def predict(self, passport) -> Outcome:
        operands = {
            "B": Operand("bytes of all banks in a cycle", Quantity(warp.BANKS * warp.WORD, "B"), "published"),
            "R": Operand("float32 multiply-adds in registers", passport.flops("float32", device="cuda")),
            "F": Operand(
                "FLOP per cycle of a multiprocessor",
                Quantity(2 * lanes(passport), "FLOP"),
                "published",
            ),
            "f": Operand("cycles without a conflict", Quantity(warp.column_cycles(FREE), "1"), "calculated"),
            "c": Operand("cycles on one bank", Quantity(warp.column_cycles(WORST), "1"), "calculated"),
        }
        ends = {_end(FREE): "(B * R / F / f)", _end(WORST): "(B * R / F / c)"}
        by, values = ratios.ratio(ends, operands, "B/s")
        free = values[_end(FREE)].value
        data = {"rates": {str(s): free / warp.column_cycles(s) for s in self.strides}}
        return Outcome(by.quantity(self.unit), data, by=by, ends=values)

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.shared import BYTES, LOADS, walk

        rates = {}
        for stride in self.strides:
            progress(f"stride {stride}")
            made = {"blocks": self.blocks, "threads": self.threads}
            read = len(walk(stride, 1, **made)) * self.rounds * LOADS * BYTES
            timing = time(
                lambda: walk(stride, self.rounds, **made), warmup=2, samples=self.samples, device="cuda"
            )
            rates[str(stride)] = timing.rate(read, "B/s")
        ends = {_end(stride): rates[str(stride)] for stride in (FREE, WORST)}
        return Outcome(rates[str(FREE)].ratio(rates[str(WORST)]), {"rates": rates}, ends=ends)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        rates = result.data["rates"]
        places = range(len(rates))
        figures.levels(ax, places, [prediction.data["rates"][stride] for stride in rates])
        measured(ax, places, list(rates.values()), linestyle="none")
        ax.set_xticks(places, list(rates))
        figures.rate_axis(ax.yaxis, "B/s", log=True)
        ax.set_xlabel("words between neighbouring lanes")
        ax.set_ylabel("bytes that the lanes get")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        free, worst = (format_value(result.ends[_end(s)].value, "B/s") for s in (FREE, WORST))
        off = {s: result.ends[_end(s)].ratio(prediction.ends[_end(s)]).value for s in (FREE, WORST)}
        padded = result.data["rates"][str(PADDED)]
        return {
            "free": free,
            "one_bank": worst,
            "free_due": format_value(prediction.ends[_end(FREE)].value, "B/s"),
            "one_bank_due": format_value(prediction.ends[_end(WORST)].value, "B/s"),
            "free_off": format_value(off[FREE], "1", 2),
            "one_bank_off": format_value(off[WORST], "1", 2),
            "padded": format_value(padded.value, "B/s"),
            "padded_share": format_value(padded.ratio(result.data["rates"][str(FREE)]).value, "1", 2),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        verdict = self.verdict(prediction, result)
        rates = result.data["rates"]
        costs = differs(rates[str(PADDED)].ratio(rates[str(FREE)])) < 0
        return [
            verdict,
            *([_cause(prediction, result)] if verdict in (LESS, MORE) else []),
            "padding-costs" if costs else "padding-free",
        ]


def _cause(prediction: Outcome, result: Outcome) -> str:
    """Return which of the two rates makes the miss: the one that is off where the other is as predicted."""
    fits = {
        s: foreseen(result.ends[_end(s)].ratio(prediction.ends[_end(s)])) == AS_FORESEEN
        for s in (FREE, WORST)
    }
    return {(False, True): "free-decides", (True, False): "conflict-decides"}.get(
        (fits[FREE], fits[WORST]), "both-decide"
    )


def _end(stride: int) -> str:
    return f"stride {stride}"
