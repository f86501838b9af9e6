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
from lessons.measure.verdict import BAND, FORESEEN, differs
from lessons.passport import needs
from lessons.units import Quantity, format_value, percent


class Sweep(Experiment):
    """Horner's rule over degrees, at constant traffic: flat in time up to the ridge, linear after it."""

    id = "roofline.sweep"
    unit = "FLOP/B"
    SMALL = {"limit": 1 << 20}
    FINDINGS = (*FORESEEN, "overlap", "knee-cant-tell", "disturbed", "over-the-roof", "roof-too-low")
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
        roofs(left, peak, rates, low=0.2, high=highest)
        for level, points in result.data.items():
            x, y = points["intensity"], points["rate"]
            label = f"measured, {NAMES.get(level, level)}"
            look: dict[str, Any] = {} if level == "dram" else {"color": colour(level), "marker": "s"}
            measured(left, x, y, label, **look)
        points, rate = result.data["dram"], rates["dram"]
        works = [points["bytes"] * i for i in points["intensity"]]
        seconds = [r.inverse(work, "s") for r, work in zip(points["rate"], works)]
        bound = [max(points["bytes"] / rate, work / peak) for work in works]
        figures.predicted(right, points["degree"], bound, "the roof, as time")
        measured(right, points["degree"], seconds, label="one pass, measured")
        right.set_xscale("log", base=2)
        right.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        figures.time_axis(right.yaxis, log=True)
        right.set_xlabel("degree of the polynomial")
        right.set_ylabel("time of a pass")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        share, apart = at_ridge(prediction, result.data["dram"])
        every = list(shares(prediction, result))
        highest, steepest = asymptotes(result.data["dram"])
        return {
            "best": format_value(highest.value, "FLOP/s"),
            "peak": format_value(prediction.data["peak"], "FLOP/s"),
            "steep": format_value(steepest.value, "B/s"),
            "copy": format_value(prediction.data["bandwidths"]["dram"], "B/s"),
            "due": format_value(prediction.quantity.value, self.unit),
            "bend": format_value(result.quantity.value, self.unit),
            "share": percent(share.value),
            "apart": percent(apart),
            "points": len(every),
            "over": len([share for share in every if differs(share) > 0]),
            "highest": percent(max(share.value for share in every), 3),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        knee = differs(*at_ridge(prediction, result.data["dram"]))
        above = [share for share in shares(prediction, result) if differs(share) > 0]
        return [
            self.verdict(prediction, result),
            {1: "overlap", 0: "knee-cant-tell", -1: "disturbed"}[knee],
            *["over-the-roof"] * bool(above),
            *["roof-too-low"] * any(differs(share, BAND) > 0 for share in above),
        ]


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


def at_ridge(prediction: Outcome, points: dict[str, Any]) -> tuple[Quantity, float]:
    """Return measured over roof at the point that lies nearest to the predicted ridge.

    And what it would be without any overlap, the loads first and then the arithmetic: a half at the ridge itself.
    """
    peak, bandwidth = prediction.data["peak"], prediction.data["bandwidths"]["dram"]
    target = prediction.quantity.value
    rate, intensity = min(
        zip(points["rate"], points["intensity"]), key=lambda point: abs(math.log(point[1] / target))
    )
    roof = attainable(intensity, peak, bandwidth)
    apart = 1 / (1 / (intensity * bandwidth) + 1 / peak)
    return rate.scaled(1 / roof, "1"), apart / roof
