"""The intensity sweep: the same traffic, more and more arithmetic, until the roof bends."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from lessons import topology
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.looks import NAMES, colour, measured, roofs
from lessons.experiments.roofline.sizes import GIB, memory_bytes
from lessons.formulas.roofline import attainable, horner
from lessons.measure import time
from lessons.measure.verdict import AS_FORESEEN, BAND, FORESEEN, LESS, MORE, differs, foreseen
from lessons.passport import needs
from lessons.units import Quantity, format_value, percent


class Sweep(Experiment):
    """Horner's rule over degrees, at constant traffic: flat in time up to the ridge, linear after it."""

    id = "roofline.sweep"
    unit = "FLOP/B"
    SMALL = {"limit": 1 << 20}
    FINDINGS = (
        *(*FORESEEN, "slope-decides", "height-decides", "both-decide"),
        *("overlap", "overlap-cant-tell", "slower-than-both"),
        *("over-the-roof", "roof-too-low"),
    )
    panels = (1, 2)

    def __init__(self, limit: int = GIB) -> None:
        self.limit = limit

    def predict(self, passport) -> Outcome:
        device = self.device
        peak = passport.flops("float32", device=device)
        levels = ["dram"] if device == "cuda" or "l2" not in passport.levels else ["l2", "dram"]
        rates = {level: passport.bandwidth("copy", level, device=device) for level in levels}
        by = Derivation(
            "P / R",
            {
                "P": Operand("float32 multiply-adds in registers", peak),
                "R": Operand("a copy in memory, read plus written", rates["dram"]),
            },
        )
        data = {"peak": peak.value, "bandwidths": {level: rate.value for level, rate in rates.items()}}
        return Outcome(by.quantity(self.unit), data, by=by)

    def run(self, progress: Progress = SILENT) -> Outcome:
        sizes = {"dram": memory_bytes(self.limit)}
        l2 = topology.read().cache("l2")
        if l2:
            sizes = {"l2": min(l2.bytes // 2, self.limit), **sizes}
        data = {level: _sweep(size, level, progress) for level, size in sizes.items()}
        return Outcome(bend(data["dram"]), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        left, right = figure.axes
        peak, rates = prediction.data["peak"], prediction.data["bandwidths"]
        highest = max(max(points["intensity"]) for points in result.data.values())
        # Past the predicted ridge too, so that the roof bends in the picture wherever the measured points do.
        last = max(highest, 2 * prediction.quantity.value)
        roofs(left, peak, rates, low=0.2, high=last)
        for level, points in result.data.items():
            x, y = points["intensity"], points["rate"]
            label = f"measured, {NAMES.get(level, level)}"
            look: dict[str, Any] = {} if level == "dram" else {"color": colour(level), "marker": "s"}
            measured(left, x, y, label, **look)
        points, rate = result.data["dram"], rates["dram"]
        works = [points["bytes"] * i for i in points["intensity"]]
        seconds = [r.inverse(work, "s") for r, work in zip(points["rate"], works)]
        first = horner(1).intensity
        corners = [first, min(max(peak / rate, first), last), last]
        bound = [points["bytes"] * max(1 / rate, i / peak) for i in corners]
        figures.predicted(right, [i / first for i in corners], bound, "the roof, as time")
        measured(right, points["degree"], seconds, label="one pass, measured")
        right.set_xscale("log", base=2)
        right.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        figures.time_axis(right.yaxis, log=True)
        right.set_xlabel("degree of the polynomial")
        right.set_ylabel("time of a pass")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        points = result.data["dram"]
        loads, sums, took, degree = at_bend(points)
        every = list(shares(prediction, result))
        highest, steepest = asymptotes(points)
        peak, copy = prediction.data["peak"], prediction.data["bandwidths"]["dram"]
        return {
            "best": format_value(highest.value, "FLOP/s"),
            "peak": format_value(peak, "FLOP/s"),
            "steep": format_value(steepest.value, "B/s"),
            "copy": format_value(copy, "B/s"),
            "due": format_value(prediction.quantity.value, self.unit),
            "bend": format_value(result.quantity.value, self.unit),
            "with_steep": format_value(peak / steepest.value, self.unit),
            "with_best": format_value(highest.value / copy, self.unit),
            "degree": degree,
            "loads": format_value(loads.value, "s"),
            "sums": format_value(sums.value, "s"),
            "apart": format_value(loads.value + sums.value, "s"),
            "took": format_value(took.value, "s"),
            "points": len(every),
            "over": len([share for share in every if differs(share) > 0]),
            "highest": percent(max(share.value for share in every), 3),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        verdict = self.verdict(prediction, result)
        loads, sums, took, _ = at_bend(result.data["dram"])
        apart = Quantity(loads.value + sums.value, "s", loads.low + sums.low, loads.high + sums.high)
        above = [share for share in shares(prediction, result) if differs(share) > 0]
        wrong = any(differs(share, BAND) > 0 for share in above)
        return [
            verdict,
            *([_cause(prediction, result)] if verdict in (LESS, MORE) else []),
            {-1: "overlap", 0: "overlap-cant-tell", 1: "slower-than-both"}[differs(took.ratio(apart))],
            *(["roof-too-low"] if wrong else ["over-the-roof"] * bool(above)),
        ]


def _cause(prediction: Outcome, result: Outcome) -> str:
    """Return which rate makes the miss: the one that, measured, brings the prediction near with the other as it was."""
    best, steep = asymptotes(result.data["dram"])
    peak, copy = prediction.data["peak"], prediction.data["bandwidths"]["dram"]
    if foreseen(result.quantity.scaled(steep.value / peak, "1")) == AS_FORESEEN:
        return "slope-decides"
    if foreseen(result.quantity.scaled(copy / best.value, "1")) == AS_FORESEEN:
        return "height-decides"
    return "both-decide"


class GpuSweep(Sweep):
    """The same on a CUDA device, with one level: its memory."""

    id = "roofline.gpu_sweep"
    SMALL = {"limit": 512}
    device = "cuda"
    needs = (needs.CUDA,)

    def run(self, progress: Progress = SILENT) -> Outcome:
        points = _sweep(self.limit, "dram", progress, device="cuda")
        return Outcome(bend(points), {"dram": points})


def _sweep(size: int, level: str, progress: Progress, device: str = "cpu") -> dict[str, Any]:
    """Measure FLOP/s for rising degrees, until a doubling brings less than 4 %."""
    x, out = _points(size // 8, device)
    from lessons.kernels.horner import horner as evaluate

    repeats = max(1, (16 << 20) // size) if device == "cpu" else 1
    found: dict[str, Any] = {name: [] for name in ("degree", "intensity", "rate")}
    by_degree: dict[int, float] = {}
    for degree in [1, 2, 4, 8] + [f * 2**i for i in range(3, 11) for f in (2, 3)]:
        progress(f"{NAMES[level]}, degree {degree}")
        timing = time(
            partial(evaluate, x, out, degree, repeats=repeats),
            warmup=0 if by_degree else 2,
            samples=5 if repeats > 1 else 3,
            device=device,
        )
        work = horner(degree, len(x) * repeats)
        rate = timing.best_rate(work.flop, "FLOP/s")  # as STREAM reports: the best pass
        for name, value in zip(found, (degree, work.intensity, rate)):
            found[name].append(value)
        by_degree[degree] = rate.value
        if degree >= 64 and rate.value < 1.04 * by_degree[degree // 2]:
            break
    return {"bytes": size, **found}


def _points(count: int, device: str) -> tuple[Any, Any]:
    if device == "cuda":
        import torch

        return torch.full((count,), 0.5, device="cuda"), torch.empty(count, device="cuda")
    from lessons.kernels.tools.buffers import aligned

    return aligned(count, "float32", 0.5), aligned(count, "float32")


def bend(points: dict[str, Any]) -> Quantity:
    """Return where the two asymptotes cross: the highest rate over the steepest slope (the best bandwidth)."""
    best, steep = asymptotes(points)
    return Quantity(
        best.value / steep.value, "FLOP/B", best.low / steep.high, best.high / steep.low, min(best.n, steep.n)
    )


def asymptotes(points: dict[str, Any]) -> tuple[Quantity, Quantity]:
    """Return the highest rate, in FLOP/s, and the steepest slope, in B/s."""
    slopes = [rate.scaled(1 / i, "B/s") for rate, i in zip(points["rate"], points["intensity"])]
    best, steep = (max(found, key=lambda q: q.value) for found in (points["rate"], slopes))
    return best, steep


def shares(prediction: Outcome, result: Outcome) -> Iterator[Quantity]:
    """Yield measured over roof of each point of each level that has a roof."""
    for level, bandwidth in prediction.data["bandwidths"].items():
        points = result.data.get(level, {"rate": [], "intensity": []})
        for rate, intensity in zip(points["rate"], points["intensity"]):
            yield rate.scaled(1 / attainable(intensity, prediction.data["peak"], bandwidth), "1")


def at_bend(points: dict[str, Any]) -> tuple[Quantity, Quantity, Quantity, int]:
    """Return three times of the pass whose loads and arithmetic take most nearly equally long, and its degree.

    By the rates that this run reached itself: what the loads take alone at the steepest slope, what the arithmetic
    takes alone at the highest rate, and what the pass took.
    """
    best, steep = asymptotes(points)
    bend = best.value / steep.value
    degree, intensity, rate = min(
        zip(points["degree"], points["intensity"], points["rate"]),
        key=lambda point: abs(math.log(point[1] / bend)),
    )
    moved = points["bytes"]
    work = moved * intensity
    return steep.inverse(moved, "s"), best.inverse(work, "s"), rate.inverse(work, "s"), degree
