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
from lessons.measure.verdict import FORESEEN, differs
from lessons.units import Quantity, format_value


class Batch(Experiment):
    """A matrix times more and more rows: from GEMV to GEMM."""

    id = "roofline.batch"
    unit = "rows"
    SMALL = {"limit": 1 << 20}
    FINDINGS = (
        *("own-rows", "library-rows"),
        *("library-slower", "library-alike", "library-faster"),
        *("not-doubled", *FORESEEN),
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
        if not own:  # then it is torch's product that is the faster one
            doubled = Derivation(f"max({MAX_ROWS}, {due.formula})", due.operands)
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
        data = result.data
        last = len(data["ours"]) - 1
        return {
            "m": data["rows"][last],
            "cost": format_value(data["ours"][last].value / data["ours"][0].value, "1"),
            "last": data["rows"][-1],
            "gap": format_value(data["library"][last].value / data["ours"][last].value, "1"),
            "rows": format_value(result.quantity.value, "rows", 2),
            "due": format_value(prediction.quantity.value, "rows", 2),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        last = len(result.data["ours"]) - 1
        gap = differs(result.data["library"][last].ratio(result.data["ours"][last]))
        found = [
            "own-rows" if prediction.data["own"] else "library-rows",
            {1: "library-slower", 0: "library-alike", -1: "library-faster"}[gap],
        ]
        if result.quantity.high >= result.data["rows"][-1]:
            return [*found, "not-doubled"]
        return [*found, self.verdict(prediction, result)]


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
