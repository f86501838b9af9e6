"""What it costs to judge several tokens at once."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.ratios import ratio
from lessons.experiments.speculative.passes import (
    DEVICE,
    FLOATS,
    PACKED,
    ROWS,
    measured_passes,
    operands,
    predicted_curve,
    target,
)
from lessons.llm.footprint import step_bytes
from lessons.measure.conditions import one_thread
from lessons.measure.stats import median_interval, median_ratio
from lessons.measure.verdict import AS_FORESEEN, JUDGED, LESS, MORE, differs, foreseen
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value

BOUNDS = {"a pass over eight": "max(8 * F / P, B / R)", "a pass over one": "max(F / P, B / R)"}
LAST_ROW = {FLOATS: 8, PACKED: 16}


class VerifyCost(Experiment):
    """t(k)/t(1) of the whole model: what it costs to judge k tokens at once."""

    id = "speculative.verify_cost"
    unit = "1"
    kind = "ratio"
    needs = (needs.MODEL,)
    SMALL = {"rounds": 2}
    FINDINGS: ClassVar[tuple[str, ...]] = (
        "flat",
        "cost-unsure",
        "rows-cost",
        *JUDGED,
        "more-work",
        "one-reads",
        "one-computes",
        "under-bound",
        "float-step",
        "packed-step",
        "kernel-decides",
    )
    engines: tuple[str, ...] = (FLOATS, PACKED)
    rounds = 4

    def predict(self, passport: Passport) -> Outcome:
        curves = {engine: predicted_curve(passport, engine) for engine in self.engines}
        last = self.engines[-1]
        by, ends = ratio(BOUNDS, operands(passport, last))
        textbook, _ = ratio(BOUNDS, operands(passport, last, textbook=True))
        return Outcome(
            by.quantity(self.unit), {"curves": curves}, textbook.quantity(self.unit), by=by, ends=ends
        )

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        curves = {}
        for engine in self.engines:
            progress(engine)
            seconds = measured_passes(target(engine), ROWS[engine], self.rounds)
            curves[engine] = [median_ratio(found, seconds[1]) for found in seconds.values()]
        ends = {name: median_interval(seconds[k], "s") for name, k in zip(BOUNDS, (8, 1))}
        return Outcome(curves[engine][7], {"curves": curves}, ends=ends)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        (ax,) = figure.axes
        for engine, colour, marker in zip(self.engines, ("blue", "green"), "os"):
            colour, rows = figures.COLOURS[colour], ROWS[engine]
            figures.predicted(
                ax, rows, prediction.data["curves"][engine], f"{engine}, roofline", color=colour
            )
            looks.measured(
                ax,
                rows,
                result.data["curves"][engine],
                marker=marker,
                label=f"{engine}, measured",
                color=colour,
            )
            if engine in LAST_ROW:
                ax.axvline(LAST_ROW[engine] + 0.5, linestyle=":", color=colour, linewidth=0.8)
        ax.set_xlabel("tokens in a pass (dotted: a kernel ends)")
        ax.set_ylabel("t(k) / t(1)")
        ax.set_ylim(bottom=0)
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        floats, packed = (result.data["curves"][engine] for engine in self.engines)
        return {
            **_costs(result),
            "floats_eighth": f"{floats[7].value:.2f}",
            "floats_ninth": f"{floats[8].value:.2f}",
            "packed_sixteenth": f"{packed[15].value:.2f}",
            "packed_seventeenth": f"{packed[16].value:.2f}",
            "one_off": f"{_one_over_bound(prediction, result).value:.2f}",
            "bytes": f"{step_bytes(FLOATS) / step_bytes(PACKED):.1f}",
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        floats, packed = (result.data["curves"][engine] for engine in self.engines)
        last = {"float-step": (floats, LAST_ROW[FLOATS]), "packed-step": (packed, LAST_ROW[PACKED])}
        steps = [step for step, (curve, row) in last.items() if _steps_up(curve, row)]
        costs, verdict = self._verdicts(prediction, result)
        # Beside a bound that was beaten the ratio says nothing about the rows.
        beaten = foreseen(_one_over_bound(prediction, result)) == LESS
        own = {MORE: ["more-work"], LESS: ["one-reads" if _one_reads(prediction) else "one-computes"]}
        why = ["under-bound"] if beaten else own.get(verdict, [])
        return [costs, verdict, *why, *steps, *(["kernel-decides"] if steps else [])]

    def _verdicts(self, prediction: Outcome, result: Outcome) -> list[str]:
        flat = "flat" if foreseen(result.quantity) == AS_FORESEEN else "cost-unsure"
        costs = "rows-cost" if differs(result.quantity) > 0 else flat
        return [costs, self.verdict(prediction, result)]


def _one_over_bound(prediction: Outcome, result: Outcome) -> Quantity:
    """Return how many times its bound a pass over one took."""
    _, one = BOUNDS
    return result.ends[one].ratio(prediction.ends[one])


def _one_reads(prediction: Outcome) -> bool:
    """Tell whether reading bounds the pass over one, which is then longer than an eighth of that over eight."""
    eight, one = (prediction.ends[name].value for name in BOUNDS)
    return 8 * one > (1 + 1e-9) * eight


def _costs(result: Outcome) -> dict[str, object]:
    """Return what a pass costs in each engine, and how many of seven guesses must be kept for that."""
    curves = "; ".join(
        f"{engine}: {curve[7].value:.2f} at 8 tokens, {curve[8].value:.2f} at 9 and "
        f"{curve[-1].value:.2f} at {len(curve)}"
        for engine, curve in result.data["curves"].items()
    )
    extra = format_value(max(0.0, result.quantity.value - 1), "1", 2)
    return {"curves": curves, "eight": f"{result.quantity.value:.2f}", "extra": extra}


def _steps_up(curve: list[Quantity], row: int) -> bool:
    """Tell whether the pass over one token more than ``row`` lies above the line from the first through ``row``."""
    last = curve[row - 1]
    value, low, high = (cost + (cost - 1) / (row - 1) for cost in (last.value, last.low, last.high))
    return differs(curve[row].ratio(Quantity(value, "1", low, high, last.n))) > 0


class CudaVerifyCost(VerifyCost):
    """The same curve on a CUDA device, on seeded matrices of the model's total size."""

    id = "speculative.verify_cost_cuda"
    device = "cuda"
    SMALL = {"outputs": 64, "inputs": 32}
    needs = (needs.CUDA,)
    FINDINGS = ("flat", "cost-unsure", "rows-cost", *JUDGED)
    engines = (DEVICE,)
    outputs, inputs = 11776, 11424

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        from lessons.measure import time

        generator = torch.Generator("cuda").manual_seed(0)
        shape: dict[str, Any] = {"device": "cuda", "dtype": torch.bfloat16, "generator": generator}
        # Sixteen matrices of the model's size each, more than any L2 holds.
        weights = [torch.randn(self.outputs, self.inputs, **shape) for _ in range(16)]
        seconds = []
        for k in ROWS[DEVICE]:
            x = torch.randn(k, self.inputs, **shape)
            products = partial(_products, x, weights)
            seconds.append(time(products, device="cuda").median())
        curve = [s.ratio(seconds[0]) for s in seconds]
        ends = {name: seconds[k - 1].scaled(1 / len(weights)) for name, k in zip(BOUNDS, (8, 1))}
        return Outcome(curve[7], {"curves": {DEVICE: curve}}, ends=ends)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        return _costs(result)

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        return self._verdicts(prediction, result)


def _products(x, weights) -> None:
    for w in weights:
        x @ w.T
