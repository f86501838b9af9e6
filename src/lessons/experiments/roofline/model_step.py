"""A real model's operations, placed on the roofline."""

from __future__ import annotations

import math
from typing import Any

from lessons.datasheets import model
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.looks import measured, roofs
from lessons.experiments.roofline import step as roofline_step
from lessons.formulas.llama import matrix_rows
from lessons.formulas.roofline import Work, time_bound
from lessons.measure.verdict import FORESEEN, LESS, MORE, differs, foreseen
from lessons.units import Quantity, format_value, percent

SMALL = 100e3  # bytes: an operation that moves less takes microseconds, as long as a call from Python


class ModelStep(Experiment):
    """SmolLM2's operations, placed on the roofline: one token decoded, and a prompt read."""

    id = "roofline.model"
    unit = "s"
    SMALL = {"context": 16, "prompt": 9}
    FINDINGS = (
        *("row-ends", "no-row-ends"),
        *(*FORESEEN, "memory-faster", "ends-hidden", "ends-too-long"),
        *("below-their-roof", "ends-left-out", "calls", "small-slow", "no-calls"),
    )
    panels = (2, 2)

    def __init__(self, name: str = "smollm2-135m", context: int = 1024, prompt: int = 128) -> None:
        self.name, self.context, self.prompt = name, context, prompt

    def phases(self) -> dict[str, tuple[int, int]]:
        """Return rows and context of each phase."""
        return {"decode": (1, self.context), "prefill": (self.prompt, self.prompt)}

    def predict(self, passport) -> Outcome:
        shape = model(self.name)
        roof, row_end = passport.flops("float32"), passport.row_end()
        read = {
            level: passport.bandwidth("read", level) for level in ("l2", "dram") if level in passport.levels
        }
        peak, rates = roof.value, {level: rate.value for level, rate in read.items()}
        data: dict[str, Any] = {"peak": peak, "bandwidths": rates, "calls": roofline_step.calls(shape)}
        for phase, (rows, context) in self.phases().items():
            works = roofline_step.works(shape, rows, context)
            data[phase] = {
                name: {"flop": w.flop, "bytes": w.bytes, "seconds": time_bound(w, peak, rates["dram"])}
                for name, w in works.items()
            }
        moved = sum(data["decode"][name]["bytes"] * n for name, n in data["calls"].items())
        # One token does half a FLOP for each byte, so the bytes are the bound. And a product of one row brings the
        # lanes of a sum together at the end of each of the matrix's rows.
        rows = matrix_rows(shape)
        data |= {"row_end": row_end.value, "row_ends": rows * row_end.value}
        by = Derivation(
            "B / R + n * e",
            {
                "B": Operand("operands of all operations", Quantity(moved, "B"), f"shape of {shape.name}"),
                "R": Operand("reads in memory", read["dram"]),
                "n": Operand("rows of all matrices", Quantity(rows, "1"), f"shape of {shape.name}"),
                "e": Operand("end of a matrix's row", row_end),
            },
        )
        return Outcome(
            by.quantity(self.unit), data, textbook=Quantity(moved / rates["dram"], self.unit), by=by
        )

    def run(self, progress: Progress = SILENT) -> Outcome:
        shape = model(self.name)
        progress("weights")
        matrices = roofline_step.weights(shape)
        data: dict[str, Any] = {}
        for phase, (rows, context) in self.phases().items():
            progress(phase)
            data[phase] = roofline_step.step(shape, matrices, rows, context)
        whole = {phase: data[phase].pop(roofline_step.WHOLE) for phase in data}
        return Outcome(whole["decode"], data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        calls = prediction.data["calls"]
        for ax, lower, phase in zip(figure.axes, figure.axes[2:], self.phases()):
            expected, found = prediction.data[phase], result.data[phase]
            roofs(ax, prediction.data["peak"], prediction.data["bandwidths"], low=0.1, high=512)
            works = {name: Work(expected[name]["flop"], expected[name]["bytes"]) for name in found}
            rates = {name: seconds.inverse(works[name].flop, "FLOP/s") for name, seconds in found.items()}
            intensities = [works[name].intensity for name in rates]
            measured(ax, intensities, list(rates.values()), linestyle="none")
            ax.set_title(phase)
            names = list(found)[::-1]
            places = range(len(names))
            bounds = [calls[name] * expected[name]["seconds"] for name in names]
            times = [calls[name] * found[name].value for name in names]
            figures.bars(
                lower, [place + 0.2 for place in places], bounds, "predicted by the roofs alone",
                predicted=True, lying=True, width=0.4, colour="vermilion",
            )  # fmt: skip
            figures.bars(
                lower, [place - 0.2 for place in places], times, "measured time", lying=True, width=0.4
            )
            lower.set_yticks(places, names)
            lower.grid(axis="y", visible=False)
            figures.time_axis(lower.xaxis)
            lower.set_xlabel(f"time in all layers, {phase}")
        bottom = min(ax.get_ylim()[0] for ax in figure.axes[:2])
        for ax, phase in zip(figure.axes, self.phases()):
            ax.set_ylim(bottom, 3 * prediction.data["peak"])
            spots = {}
            for name, seconds in result.data[phase].items():
                work = prediction.data[phase][name]
                spots[name] = (work["flop"] / work["bytes"], work["flop"] / seconds.value)
            figures.name_points(ax, spots)
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        counts, bound = prediction.data["calls"], prediction.data["decode"]
        seconds = {name: q.value * counts[name] for name, q in result.data["decode"].items()}
        total = sum(seconds.values())
        gaps = {name: s - bound[name]["seconds"] * counts[name] for name, s in seconds.items()}
        wide = sorted(gaps, key=lambda name: -gaps[name])[:2]
        small, large = _missed(prediction, result)
        largest = max(seconds, key=lambda name: seconds[name])
        return {
            "largest": f"`{largest}`",
            "most": percent(seconds[largest] / total),
            "ends": format_value(prediction.data["row_ends"], "s"),
            "gap": format_value(sum(gaps.values()), "s"),
            "wide": " and ".join(f"`{name}`" for name in wide),
            "in_wide": percent(sum(gaps[name] for name in wide) / (sum(gaps.values()) or math.inf)),
            "small": _listed(small),
            "small_take": _listed(small, [result.data["decode"][name] for name in small]),
            "small_due": _listed(small, [Quantity(bound[name]["seconds"], "s") for name in small]),
            "prompt": self.prompt,
            "prompt_take": _listed(small, [result.data["prefill"][name] for name in small]),
            "fixed": _listed(small, [_fixed(prediction, result, name) for name in small]),
            "row_end": format_value(prediction.data["row_end"], "s"),
            "share": percent(result.quantity.value / prediction.quantity.value),
            "small_share": percent(sum(seconds[name] for name in small) / total),
            "large": _listed(large),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        small, large = _missed(prediction, result)
        verdict = self.verdict(prediction, result)
        assert prediction.by is not None
        ends = differs(prediction.by.operands["e"].quantity, 0) > 0
        found = ["row-ends" if ends else "no-row-ends", verdict]
        if verdict == LESS:
            assert prediction.textbook is not None
            bytes_alone = result.quantity.ratio(prediction.textbook)
            found.append("memory-faster" if differs(bytes_alone) < 0 else "ends-hidden")
            if differs(result.quantity, prediction.data["row_ends"]) < 0:
                found.append("ends-too-long")
        fixed = all(differs(_fixed(prediction, result, name), 0.5) > 0 for name in small)
        return [
            *found,
            *["below-their-roof"] * bool(large),
            *["ends-left-out"] * (bool(large) and ends),
            ("calls" if fixed else "small-slow") if small else "no-calls",
        ]


def _fixed(prediction: Outcome, result: Outcome, name: str) -> Quantity:
    """Return which share of a decoded token's call does not depend on its bytes.

    One call moves few bytes when decoding and many when prefilling. On the straight line through the two times, that
    share is what would be left for no bytes.
    """
    few, many = (prediction.data[phase][name]["bytes"] for phase in ("decode", "prefill"))
    short, long = (result.data[phase][name] for phase in ("decode", "prefill"))
    grows = long.ratio(short)  # so many times as long for many / few times the bytes
    value, low, high = (
        min(1.0, (many / few - g) / (many / few - 1)) for g in (grows.value, grows.high, grows.low)
    )
    return Quantity(value, "%", low, high, grows.n)


def _listed(names: list[str], values: list[Quantity] | None = None) -> str:
    """Return operations as a sentence names them, each with its value where there are some."""
    shown = [f"`{name}`" for name in names]
    if values is not None:
        shown = [f"{format_value(q.value, q.unit, 2)} ({name})" for name, q in zip(shown, values)]
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:]))) or "none"


def _missed(prediction: Outcome, result: Outcome) -> tuple[list[str], list[str]]:
    """Return the operations of a decoded token that took surely longer than their bound: small ones, and large ones."""
    bound = prediction.data["decode"]
    low = [
        name
        for name, q in result.data["decode"].items()
        if foreseen(q.scaled(1 / bound[name]["seconds"], "1")) == MORE
    ]
    return [n for n in low if bound[n]["bytes"] < SMALL], [n for n in low if bound[n]["bytes"] >= SMALL]
