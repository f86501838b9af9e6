"""An element-wise chain, unfused and fused, with its gain taken apart into page faults and traffic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.roofline.sizes import GIB, memory_bytes
from lessons.formulas.memory import first_touch_time, write_allocate_factor
from lessons.kernels.fused.reference import BLOCK
from lessons.measure import time
from lessons.measure.verdict import AS_FORESEEN, JUDGED, LESS, MORE, differs, foreseen
from lessons.units import Quantity, format_value

WAYS = ("naive", "preallocated", "blocked", "fused")
ENDS = ("naive", "fused")


class Fusion(Experiment):
    """relu(a x + b) c four ways, and what each part of the gain is made of."""

    id = "roofline.fusion"
    unit = "1"
    kind = "ratio"
    SMALL = {"limit": 1 << 20}
    FINDINGS = (
        *("no-gain", "gain-cant-tell", "faults-most", "traffic-most", "parts-cant-tell"),
        *("blocked-slower", "blocked-faster", "blocked-alike", "blocked-no-gain"),
        *(*JUDGED, "copy-decides", "fresh-memory-decides", "both-decide", "faster-than-the-passport"),
    )

    def __init__(self, limit: int = GIB) -> None:
        self.limit = limit

    def predict(self, passport) -> Outcome:
        size = self._bytes()
        rate, fault = passport.bandwidth("copy"), passport.cost("page_fault")
        copy = rate.value
        # A pass in place reads the line that it writes anyway: it moves two arrays where a copy moves three.
        in_place = copy * write_allocate_factor(1, 1)
        fresh, again = 2 * size / copy, 2 * size / in_place
        faults = first_touch_time(size, fault.value)
        parts = {
            "naive": {"traffic": 4 * fresh, "faults": 4 * faults},
            "preallocated": {"traffic": fresh + 3 * again, "faults": 0.0},
            "blocked": {"traffic": fresh, "faults": 0.0},
            "fused": {"traffic": fresh, "faults": 0.0},
        }
        by = Derivation(
            "4 * (2 * N / R + n * f) / (2 * N / R)",
            {
                "N": Operand("bytes of one array", Quantity(size, "B"), "chosen"),
                "R": Operand("a copy in memory, read plus written", rate),
                "n": Operand("pages of an array", Quantity(round(faults / fault.value), "1"), "counted"),
                "f": Operand("first touch of a page", fault),
            },
        )
        ends = {way: Quantity(sum(parts[way].values()), "s") for way in ENDS}
        # What the blocked way calls from Python: four functions for each block.
        calls = 4 * -(-size // (4 * BLOCK))
        return Outcome(by.quantity(self.unit), {"parts": parts, "calls": calls}, by=by, ends=ends)

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
        data: dict[str, Quantity] = {}
        for name, way in ways.items():
            progress(name)
            data[name] = time(way, samples=5).median()
        return Outcome(data["naive"].ratio(data["fused"]), data, ends={way: data[way] for way in ENDS})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        names = list(result.data)[::-1]
        parts = prediction.data["parts"]
        traffic = [parts[name]["traffic"] for name in names]
        faults = [parts[name]["faults"] for name in names]
        look: dict[str, Any] = {"predicted": True, "lying": True}
        figures.bars(ax, names, traffic, "predicted: traffic", colour="vermilion", **look)
        figures.bars(ax, names, faults, "predicted: page faults", start=traffic, colour="orange", **look)
        found = [result.data[name] for name in names]
        values = [q.value for q in found]
        spread = [[q.value - q.low for q in found], [q.high - q.value for q in found]]
        blue = figures.COLOURS["blue"]
        ax.errorbar(values, names, xerr=spread, fmt="o", color=blue, label="measured", capsize=2.5, ms=7)
        figures.time_axis(ax.xaxis)
        ax.set_xlabel("time")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        naive, preallocated, blocked, fused = (result.data[way].value for way in WAYS)
        return {
            **{way: format_value(result.data[way].value, "s") for way in ("naive", "preallocated", "fused")},
            "gain": f"{naive / fused:.1f}",
            "no_allocation": f"{naive / preallocated:.1f}",
            "one_pass": f"{preallocated / fused:.1f}",
            "blocked": f"{blocked / fused:.2f}",
            "blocked_takes": format_value(blocked, "s"),
            "naive_ratio": format_value(naive / prediction.ends["naive"].value, "1", 2),
            "fused_ratio": format_value(fused / prediction.ends["fused"].value, "1", 2),
            "with_copy": format_value(_with_copy(prediction, result), "1"),
            "faults": format_value(prediction.data["parts"]["naive"]["faults"], "s"),
            "calls": f"{prediction.data['calls']:,}",
            "times": ", ".join(f"{way} {format_value(result.data[way].value, 's')}" for way in WAYS),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        data = result.data
        by_hand = differs(data["blocked"].ratio(data["fused"]))
        verdict = self.verdict(prediction, result)
        ends = [data[way].ratio(prediction.ends[way]) for way in ENDS]
        return [
            _saved(result),
            {1: "blocked-slower", -1: "blocked-faster", 0: "blocked-alike"}[by_hand],
            *["blocked-no-gain"] * (differs(data["blocked"].ratio(data["preallocated"])) > 0),
            verdict,
            *([_cause(prediction, result)] if verdict in (LESS, MORE) else []),
            *["faster-than-the-passport"] * all(foreseen(end) == LESS for end in ends),
        ]


def _with_copy(prediction: Outcome, result: Outcome) -> float:
    """Return the predicted gain with the measured fused pass in the place of the passport's copy."""
    fused, faults = result.data["fused"].value, prediction.data["parts"]["naive"]["faults"]
    return (4 * fused + faults) / fused


def _cause(prediction: Outcome, result: Outcome) -> str:
    """Return what makes the miss: what, measured, brings the prediction near with all else as it was."""
    if foreseen(result.quantity.scaled(1 / _with_copy(prediction, result), "1")) == AS_FORESEEN:
        return "copy-decides"
    if foreseen(result.data["fused"].ratio(prediction.ends["fused"])) == AS_FORESEEN:
        return "fresh-memory-decides"
    return "both-decide"


def _saved(result: Outcome) -> str:
    """Return which of the two steps saved more of the time, as far as the intervals tell."""
    gained = differs(result.quantity)
    if gained <= 0:
        return "no-gain" if gained else "gain-cant-tell"
    naive, preallocated, fused = (result.data[way] for way in ("naive", "preallocated", "fused"))
    if naive.low - preallocated.high > preallocated.high - fused.low:
        return "faults-most"
    if naive.high - preallocated.low < preallocated.low - fused.high:
        return "traffic-most"
    return "parts-cant-tell"
