"""From GEMV to GEMM: how many rows come free when a matrix is read once for all of them."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.looks import ceiling, roofs
from lessons.experiments.roofline.sizes import memory_bytes
from lessons.formulas.roofline import gemm, time_bound
from lessons.measure import time
from lessons.units import Quantity


class Batch(Experiment):
    """A matrix times more and more rows: from GEMV to GEMM."""

    id = "roofline.batch"
    title = "rows that take twice as long as one"
    unit = "rows"
    question = "One row times a large matrix takes some time. How many rows at once take twice that time?"
    SMALL = {"limit": 1 << 20}
    panels = (1, 2)
    inputs = 2048

    def __init__(self, limit: int = 5 << 27) -> None:
        self.limit = limit

    def predict(self, passport) -> Outcome:
        outputs = memory_bytes(self.limit) // (4 * self.inputs)
        peak, rate = passport.matmul("float32").value, passport.bandwidth("read").value
        rows = [2**i for i in range(11)]
        seconds = [time_bound(gemm(m, outputs, self.inputs, 4), peak, rate) for m in rows]
        value = crossing(rows, seconds)
        peak_fma = passport.flops("float32").value
        return Outcome(
            Quantity(value, self.unit),
            {"rows": rows, "seconds": seconds, "peak": peak_fma, "matmul": peak, "bandwidth": rate},
        )

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        from lessons.kernels.gemv import MAX_ROWS, linear

        outputs = memory_bytes(self.limit) // (4 * self.inputs)
        weights = torch.full((outputs, self.inputs), 1e-3)
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        rows: list[int] = []
        ours: list[float] = []
        library: list[float] = []
        try:
            with torch.inference_mode():
                for m in (2**i for i in range(11)):
                    progress(f"{m} rows")
                    x = torch.full((m, self.inputs), 0.5)
                    rows.append(m)
                    library.append(time(partial(torch.matmul, x, weights.T), samples=2, warmup=0).best())
                    if m <= MAX_ROWS:
                        ours.append(time(partial(linear, x, weights, threads=1), samples=3).best())
                    best = _best(ours, library)
                    if m >= 64 and best[-1] > 2.2 * best[0]:
                        break
        finally:
            torch.set_num_threads(before)
        value = crossing(rows, _best(ours, library))
        data = {"outputs": outputs, "rows": rows, "ours": ours, "library": library}
        return Outcome(Quantity(value, self.unit, n=2), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        left, right = figure.axes
        p, data = prediction.data, result.data
        rows = data["rows"]
        works = [gemm(m, data["outputs"], self.inputs, 4) for m in rows]
        roofs(left, p["peak"], {"dram": p["bandwidth"]}, low=0.4, high=2 * works[-1].intensity)
        ceiling(left, p["matmul"])
        places = [w.intensity for w in works]
        kinds = {"ours": ("ours, 1 to 8 rows", "blue", "o"), "library": ("torch", "purple", "D")}
        figures.predicted(right, rows, p["seconds"][: len(rows)], "predicted time", zorder=2)
        for key, (label, name, marker) in kinds.items():
            seconds = data[key]
            look: dict[str, Any] = {"color": figures.COLOURS[name], "marker": marker}
            rates = [w.flop / s for w, s in zip(works, seconds)]
            figures.measured(left, places[: len(seconds)], rates, label=label, **look)
            figures.measured(right, rows[: len(seconds)], seconds, label=label, **look)
        right.set_xscale("log", base=2)
        right.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        figures.time_axis(right.yaxis, log=True)
        right.set_xlabel("rows that share one reading of the matrix")
        # A curve that stays low would run under a legend inside the panel.
        handles, labels = left.get_legend_handles_labels()
        (line,), (name,) = ([part[0]] for part in right.get_legend_handles_labels())
        figure.legend([*handles, line], [*labels, name], loc="outside lower center", ncols=3)

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Left, products of 1 row and more on a roofline: our kernel follows the slope up to 8 rows. Right, the "
            "time of a product against its rows: level at first, then rising. It doubles at "
            f"{result.quantity} where {prediction.quantity} were predicted."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        data = result.data
        m = data["rows"][len(data["ours"]) - 1]
        gap = data["library"][len(data["ours"]) - 1] / data["ours"][-1]
        free = data["ours"][-1] / data["ours"][0]
        text = f"{m} rows take {free:.2f} times as long as one: the matrix is read once for all of them. "
        if gap > 1.2:
            text += (
                f"torch takes {gap:.2f} times as long as our kernel at {m} rows. A library's product is made for many "
                "rows: it packs the matrix into blocks first, and the packing moves the bytes again. Both have the "
                "same intensity on paper; only one has it in practice. "
            )
        else:
            text += (
                f"At {m} rows torch and our kernel are within a fifth of each other ({gap:.2f}): this library has "
                "a path of its own for few rows, and the slope is where both end. "
            )
        ratio = result.quantity.value / prediction.quantity.value
        if ratio < 0.75:
            return text + (
                f"The doubling comes early. Our kernel ends at {m} rows, and the library needs many more to come near "
                "its own peak. Between the slope and the flat roof neither program reaches the bound, and that is just "
                "where the prediction would have us be."
            )
        if ratio > 1.33:
            return text + "The doubling comes late: a single row did not reach the bandwidth to begin with."
        return text + "The doubling comes where the two roofs, bandwidth and matrix product, said it would."


def _best(ours: list[float], library: list[float]) -> list[float]:
    return [min(pair) for pair in zip(ours, library)] + library[len(ours) :]


def crossing(rows: list[int], seconds: list[float]) -> float:
    """Return the rows at which the time is twice the first; on a straight line in logarithms between two."""
    target = 2 * seconds[0]
    for i in range(1, len(rows)):
        if seconds[i] >= target:
            share = math.log(target / seconds[i - 1]) / math.log(seconds[i] / seconds[i - 1])
            return rows[i - 1] * (rows[i] / rows[i - 1]) ** share
    return float(rows[-1])
