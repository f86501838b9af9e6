"""The intensity sweep: the same traffic, more and more arithmetic, until the roof bends."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from lessons import topology
from lessons.datasheets import accelerator
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress, Unavailable
from lessons.experiments.looks import NAMES, colour, roofs
from lessons.experiments.roofline.sizes import GIB, memory_bytes
from lessons.formulas.roofline import attainable, horner, ridge
from lessons.measure import time
from lessons.units import Quantity, format_value


class Sweep(Experiment):
    """Horner's rule over degrees, at constant traffic: flat in time up to the ridge, linear after it."""

    id = "roofline.sweep"
    title = "where the roof bends"
    unit = "FLOP/B"
    question = "How many FLOP per byte can one core do before the arithmetic begins to cost time?"
    SMALL = {"limit": 1 << 20}
    panels = (1, 2)

    def __init__(self, limit: int = GIB) -> None:
        self.limit = limit

    def predict(self, passport) -> Outcome:
        device = self.device
        peak = passport.flops("float32", device=device).value
        levels = ["dram"] if device == "cuda" or "l2" not in passport.levels else ["l2", "dram"]
        rates = {level: passport.bandwidth("copy", level, device=device).value for level in levels}
        value = ridge(peak, rates["dram"])
        return Outcome(Quantity(value, self.unit), {"peak": peak, "bandwidths": rates})

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
            look: dict[str, Any] = {} if level == "dram" else {"color": colour(level), "marker": "D"}
            figures.measured(left, x, y, points["low"], points["high"], label, **look)
        left.legend(loc="lower right")
        points, rate = result.data["dram"], rates["dram"]
        flat = points["bytes"] / rate
        seconds = [points["bytes"] * i / r for i, r in zip(points["intensity"], points["rate"])]
        bound = [max(flat, points["bytes"] * i / peak) for i in points["intensity"]]
        figures.predicted(right, points["degree"], bound, "the roof, as time")
        figures.measured(right, points["degree"], seconds, label="one pass, measured")
        right.set_xscale("log", base=2)
        right.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        figures.time_axis(right.yaxis, log=True)
        right.set_xlabel("degree of the polynomial")
        right.legend(loc="upper left")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Left, a roofline: measured FLOP/s rise along the slope of each memory level and then run flat. Right, "
            "the time of one pass: level up to the ridge, then proportional to the degree. Predicted ridge "
            f"{prediction.quantity}, measured {result.quantity}."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        ratio = result.quantity.value / prediction.quantity.value
        if 0.8 <= ratio <= 1.25:
            where = "The two straight lines through the measured points cross where the passport said."
        elif ratio < 0.8:
            where = (
                "The lines cross left of the prediction: the polynomial reaches less than the passport's peak. "
                "Its loads, stores and loop turns take places that the peak loop gives to arithmetic, or a "
                "neighbour took the core. The roof is a bound, not a forecast."
            )
        else:
            where = (
                "The lines cross right of the prediction: the slope is lower than the passport's copy. Something "
                "held the traffic back: a busy neighbour, or a prefetcher that does not look far enough."
            )
        share = share_at_ridge(prediction, result.data["dram"])
        if share >= 0.85:
            knee = "At the ridge itself the overlap of loads and arithmetic is nearly perfect"
        elif share >= 0.5:
            knee = (
                "At the ridge itself both take equally long, and the knee is round: the core does not overlap "
                "them perfectly (none at all would give a half)"
            )
        else:
            knee = (
                "At the ridge itself the pass is slower than loads and arithmetic one after the other would be, so "
                "something else used the core or the memory meanwhile; run it again on a quiet machine"
            )
        return f"{where} {knee}: {100 * share:.0f} % of the roof."


class GpuSweep(Sweep):
    """The same on a CUDA device, with one level: its memory."""

    id = "roofline.gpu_sweep"
    title = "where the GPU's roof bends"
    question = "And how many FLOP per byte can a whole GPU do before the arithmetic begins to cost time?"
    SMALL = {"limit": 512}
    device = "cuda"

    @property
    def cited(self) -> str:  # type: ignore[override]
        """The ridge that the data sheet gives."""
        card = accelerator("h100_sxm")
        assert card.fp32 is not None
        return (
            f"By its white paper, the {card.name} does {format_value(card.fp32, 'FLOP/s')} in float32 outside its "
            f"tensor cores and reads {format_value(card.bandwidth, 'B/s')}: the bend is due at "
            f"{ridge(card.fp32, card.bandwidth):.3g} FLOP/byte (NVIDIA H100 Tensor Core GPU Architecture, 2022)."
        )

    def run(self, progress: Progress = SILENT) -> Outcome:
        if not topology.read().gpus:
            raise Unavailable("this machine has no CUDA device")
        points = _sweep(self.limit, "dram", progress, device="cuda")
        return Outcome(bend(points), {"dram": points})


def _sweep(size: int, level: str, progress: Progress, device: str = "cpu") -> dict[str, Any]:
    """Measure FLOP/s for rising degrees, until a doubling brings less than 4 %."""
    x, out = _points(size // 8, device)
    from lessons.kernels.horner import horner as evaluate

    repeats = max(1, (16 << 20) // size) if device == "cpu" else 1
    found: dict[str, Any] = {name: [] for name in ("degree", "intensity", "rate", "low", "high")}
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
        for name, value in zip(found, (degree, work.intensity, rate.value, rate.low, rate.high)):
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
    best = max(range(len(points["rate"])), key=lambda i: points["rate"][i])
    steep = max(range(len(points["rate"])), key=lambda i: points["rate"][i] / points["intensity"][i])
    slope = points["intensity"][steep]
    return Quantity(
        points["rate"][best] / points["rate"][steep] * slope,
        "FLOP/B",
        points["low"][best] / points["high"][steep] * slope,
        points["high"][best] / points["low"][steep] * slope,
        3,
    )


def share_at_ridge(prediction: Outcome, points: dict[str, Any]) -> float:
    """Return measured over roof at the point that lies nearest to the predicted ridge."""
    target = prediction.quantity.value
    i = min(range(len(points["rate"])), key=lambda i: abs(math.log(points["intensity"][i] / target)))
    roof = attainable(points["intensity"][i], prediction.data["peak"], prediction.data["bandwidths"]["dram"])
    return points["rate"][i] / roof
