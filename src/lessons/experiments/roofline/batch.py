"""From GEMV to GEMM: how many rows come free when a matrix is read once for all of them."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.looks import ceiling, measured, roofs
from lessons.experiments.roofline.sizes import memory_bytes
from lessons.formulas.roofline import gemm, time_bound
from lessons.kernels.gemv import MAX_ROWS
from lessons.measure import time
from lessons.measure.conditions import one_thread
from lessons.measure.verdict import AS_FORESEEN, FORESEEN, LESS, MORE, differs, foreseen
from lessons.units import Quantity, format_value


class Batch(Experiment):
    """A matrix times more and more rows: from GEMV to GEMM."""

    id = "roofline.batch"
    unit = "rows"
    SMALL = {"limit": 1 << 20}
    FINDINGS = (
        *("own-rows", "library-rows", "rates-too-low"),
        *("library-slower", "library-alike", "library-faster"),
        *("not-doubled", "doubled", *FORESEEN),
        *("first-row-decides", "no-further-cost", "further-rows-decide", "both-decide"),
    )
    panels = (1, 2)
    inputs = 2048

    def __init__(self, limit: int = 5 << 27) -> None:
        self.limit = limit

    def predict(self, passport) -> Outcome:
        outputs = memory_bytes(self.limit) // (4 * self.inputs)
        library, read = passport.matmul("float32"), passport.bandwidth("read")
        ours = passport.product("float32", "float32")
        rows = [2**i for i in range(11)]
        works = [gemm(m, outputs, self.inputs, 4) for m in rows]
        textbook = [time_bound(work, library.value, read.value) for work in works]
        # Our product streams the weights as fast as the memory gives them and hides one row's arithmetic behind them.
        # Of each further row it hides nothing: both keep the core's short list of unfinished instructions busy.
        one = works[0].flop / ours.value
        seconds = [t if m > MAX_ROWS else textbook[0] + (m - 1) * one for m, t in zip(rows, textbook)]
        operands = {
            "W": Operand("bytes of the matrix", Quantity(4 * outputs * self.inputs, "B"), "chosen"),
            "R": Operand("reads in memory", read),
            "F": Operand("operations of one row", Quantity(works[0].flop, "FLOP"), "counted"),
        }
        torch = Operand("torch, large matrix product", library)
        due = Derivation("2 * (W / R) / (F / P)", {**operands, "P": torch})
        doubled = Derivation(
            "1 + (W / R) / (F / Q)", {**operands, "Q": Operand("our product of few rows", ours)}
        )
        own = doubled.value <= MAX_ROWS
        if not own:  # our kernel ends before its time has doubled, and torch's product goes on
            most = Operand("the most rows of our product", Quantity(MAX_ROWS, "rows"), "counted")
            doubled = Derivation(f"max(m, {due.formula})", {"m": most, **due.operands})
        peak = passport.flops("float32").value
        return Outcome(
            doubled.quantity(self.unit),
            {
                "rows": rows,
                "own": own,
                "seconds": seconds,
                "peak": peak,
                "matmul": library.value,
                "bandwidth": read.value,
                "product": ours.value,
                "first": textbook[0],
                "further": one,
            },
            textbook=due.quantity(self.unit),
            by=doubled,
        )

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        from lessons.kernels.gemv import linear
        from lessons.kernels.tools.buffers import aligned

        outputs = memory_bytes(self.limit) // (4 * self.inputs)
        weights = torch.from_numpy(aligned((outputs, self.inputs), "float32", 1e-3))
        rows: list[int] = []
        ours: list[Quantity] = []
        library: list[Quantity] = []
        with torch.inference_mode():
            for m in (2**i for i in range(11)):
                progress(f"{m} rows")
                x = torch.full((m, self.inputs), 0.5)
                rows.append(m)
                library.append(time(partial(torch.matmul, x, weights.T), samples=3).median())
                if m <= MAX_ROWS:
                    ours.append(time(partial(linear, x, weights, threads=1), samples=7).median())
                best = _best(ours, library)
                if m >= 64 and best[-1].low > 2 * best[0].high:
                    break
        data = {"outputs": outputs, "rows": rows, "ours": ours, "library": library}
        return Outcome(_crossing(rows, best), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.figures.style import FOREGROUND

        left, right = figure.axes
        p, data = prediction.data, result.data
        rows = data["rows"]
        works = [gemm(m, data["outputs"], self.inputs, 4) for m in rows]
        roofs(left, p["peak"], {"dram": p["bandwidth"]}, low=0.4, high=2 * works[-1].intensity)
        ceiling(left, p["matmul"])
        places = [w.intensity for w in works]
        kinds = {"ours": ("ours, 1 to 8 rows", "blue", "o"), "library": ("torch", "purple", "s")}
        figures.predicted(right, rows, p["seconds"][: len(rows)], "predicted time", color=FOREGROUND)
        for key, (label, name, marker) in kinds.items():
            seconds = data[key]
            look: dict[str, Any] = {"color": figures.COLOURS[name], "marker": marker}
            rates = [q.inverse(w.flop, "FLOP/s") for w, q in zip(works, seconds)]
            measured(left, places[: len(seconds)], rates, label=label, **look)
            measured(right, rows[: len(seconds)], seconds, label=label, **look)
        right.set_xscale("log", base=2)
        right.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        figures.time_axis(right.yaxis, log=True)
        right.set_xlabel("rows that share one reading")
        right.set_ylabel("time of a product")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        p, data = prediction.data, result.data
        last = len(data["ours"]) - 1
        below, above = _around(data["rows"], result.quantity.value)
        first, further = _costs(result)
        return {
            "m": data["rows"][last],
            "most": MAX_ROWS,
            "cost": format_value(data["ours"][last].value / data["ours"][0].value, "1"),
            "last": data["rows"][-1],
            "below": below,
            "above": above,
            "gap": format_value(data["library"][last].value / data["ours"][last].value, "1"),
            "rows": format_value(result.quantity.value, "rows", 2),
            "due": format_value(prediction.quantity.value, "rows", 2),
            "product": format_value(p["product"], "FLOP/s"),
            "first": format_value(first.value, "s"),
            "first_due": format_value(p["first"], "s"),
            "further": format_value(further.value, "s"),
            "further_due": format_value(p["further"], "s"),
            "all_due": format_value(1 + (MAX_ROWS - 1) * p["further"] / p["first"], "1", 2),
            "with_first": format_value(_due(prediction, first=first.value), "rows", 2),
            "with_further": format_value(_due(prediction, further=further.value), "rows", 2),
            "streamed": format_value(self._bytes(result) / first.value, "B/s"),
            "bandwidth": format_value(p["bandwidth"], "B/s"),
            "library_best": format_value(self._library(result).value, "FLOP/s"),
            "matmul": format_value(p["matmul"], "FLOP/s"),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        p = prediction.data
        last = len(result.data["ours"]) - 1
        gap = differs(result.data["library"][last].ratio(result.data["ours"][last]))
        streamed = _costs(result)[0].inverse(self._bytes(result), "B/s")
        too_fast = (
            streamed.scaled(1 / p["bandwidth"], "1"),
            self._library(result).scaled(1 / p["matmul"], "1"),
        )
        found = [
            "own-rows" if p["own"] else "library-rows",
            *["rates-too-low"] * any(foreseen(rate) == MORE for rate in too_fast),
            {1: "library-slower", 0: "library-alike", -1: "library-faster"}[gap],
        ]
        if result.quantity.high >= result.data["rows"][-1]:
            return [*found, "not-doubled"]
        verdict = self.verdict(prediction, result)
        return [
            *found,
            "doubled",
            verdict,
            *([_cause(prediction, result)] if verdict in (LESS, MORE) else []),
        ]

    def _bytes(self, result: Outcome) -> int:
        return 4 * result.data["outputs"] * self.inputs

    def _library(self, result: Outcome) -> Quantity:
        """Return the highest rate that torch's product reached, in FLOP/s."""
        rates = [
            q.inverse(gemm(m, result.data["outputs"], self.inputs, 4).flop, "FLOP/s")
            for m, q in zip(result.data["rows"], result.data["library"])
        ]
        return max(rates, key=lambda rate: rate.value)


def _costs(result: Outcome) -> tuple[Quantity, Quantity]:
    """Return what our product takes for the first row, and on average for each further one, in seconds."""
    ours = result.data["ours"]
    first, last, more = ours[0], ours[-1], result.data["rows"][len(ours) - 1] - 1
    low, high = ((a - b) / more for a, b in ((last.low, first.high), (last.high, first.low)))
    return first, Quantity((last.value - first.value) / more, "s", low, high, last.n)


def _due(prediction: Outcome, first: float | None = None, further: float | None = None) -> float:
    """Return the rows that the prediction gives with a measured time in the place of one of its own."""
    p = prediction.data
    first = p["first"] if first is None else first
    further = p["further"] if further is None else further
    own = 1 + first / further if further > 0 else math.inf
    # Of torch's product the time is known from the passport alone: two FLOP for each weight of four bytes.
    torch = 2 * first * p["matmul"] / (p["further"] * p["product"])
    return own if own <= MAX_ROWS else max(MAX_ROWS, torch)


def _cause(prediction: Outcome, result: Outcome) -> str:
    """Return which time makes the miss: the one that, measured, brings the prediction near with the other as it was."""
    first, further = _costs(result)

    def explains(due: float) -> bool:
        return foreseen(result.quantity.scaled(1 / due, "1")) == AS_FORESEEN

    if explains(_due(prediction, first=first.value)):
        return "first-row-decides"
    if differs(further, 0.0) <= 0:
        return "no-further-cost"
    return "further-rows-decide" if explains(_due(prediction, further=further.value)) else "both-decide"


def _around(rows: list[int], at: float) -> tuple[int, int]:
    """Return the two numbers of rows that were run and between which ``at`` lies."""
    i = next((i for i in range(1, len(rows)) if rows[i] >= at), len(rows) - 1)
    return rows[i - 1], rows[i]


def _best(ours: list[Quantity], library: list[Quantity]) -> list[Quantity]:
    return [min(pair, key=lambda q: q.value) for pair in zip(ours, library)] + library[len(ours) :]


def crossing(rows: list[int], seconds: list[float], first: float | None = None) -> float:
    """Return the rows at which the time is twice the first; on a straight line in logarithms between two.

    Args:
        rows: numbers of rows, rising.
        seconds: of each.
        first: of one row, where another than ``seconds[0]`` is meant.
    """
    target = 2 * (seconds[0] if first is None else first)
    if seconds[0] >= target:  # a slow edge of one row against its fast edge
        return float(rows[0])
    for i in range(1, len(rows)):
        if seconds[i] >= target:
            share = math.log(target / seconds[i - 1]) / math.log(seconds[i] / seconds[i - 1])
            return rows[i - 1] * (rows[i] / rows[i - 1]) ** share
    return float(rows[-1])


def _crossing(rows: list[int], seconds: list[Quantity]) -> Quantity:
    """Return where the time has doubled, from as early to as late as the intervals allow."""
    first = seconds[0]
    return Quantity(
        crossing(rows, [q.value for q in seconds]),
        "rows",
        crossing(rows, [q.high for q in seconds], first.low),
        crossing(rows, [q.low for q in seconds], first.high),
        first.n,
    )
