"""What it costs to judge several tokens at once."""

from __future__ import annotations

from functools import partial
from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress, Unavailable
from lessons.experiments.speculative.passes import (
    DEVICE,
    FLOATS,
    PACKED,
    ROWS,
    measured_passes,
    predicted_curve,
    target,
)
from lessons.llm.footprint import step_bytes
from lessons.measure.conditions import one_thread
from lessons.measure.stats import median, median_interval
from lessons.passport import Passport
from lessons.units import Quantity

LAST_ROW = {FLOATS: 8, PACKED: 16}


class VerifyCost(Experiment):
    """t(k)/t(1) of the whole model: what it costs to judge k tokens at once."""

    id = "speculative.verify_cost"
    title = "cost of a pass over 8 tokens, in passes over 1"
    unit = "1"
    question = (
        "With packed weights, how many times as long as a pass over one token does a pass over eight take?"
    )
    SMALL = {"rounds": 2}
    engines: tuple[str, ...] = (FLOATS, PACKED)
    rounds = 4

    def predict(self, passport: Passport) -> Outcome:
        curves = {engine: predicted_curve(passport, engine) for engine in self.engines}
        return Outcome(Quantity(curves[self.engines[-1]][7], self.unit), {"curves": curves})

    @one_thread()
    def run(self, progress: Progress = SILENT) -> Outcome:
        curves = {}
        for engine in self.engines:
            progress(engine)
            seconds = measured_passes(target(engine), ROWS[engine], self.rounds)
            curves[engine] = [median(found) / median(seconds[1]) for found in seconds.values()]
        ratios = [eight / one for eight, one in zip(seconds[8], seconds[1])]
        return Outcome(median_interval(ratios, self.unit), {"curves": curves})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        for engine, colour, marker in zip(self.engines, ("blue", "green"), "os"):
            colour, rows = figures.COLOURS[colour], ROWS[engine]
            figures.predicted(
                ax, rows, prediction.data["curves"][engine], f"{engine}, roofline", color=colour
            )
            figures.measured(
                ax,
                rows,
                result.data["curves"][engine],
                marker=marker,
                label=f"{engine}, measured",
                color=colour,
            )
            if engine in LAST_ROW:
                ax.axvline(LAST_ROW[engine] + 0.5, linestyle=":", color=colour)
        ax.set_xlabel("tokens in a pass (dotted: the last row of a kernel)")
        ax.set_ylabel("t(k) / t(1)")
        ax.set_ylim(bottom=0)
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        curves = "; ".join(
            f"{engine}: {curve[7]:.2f} at 8 tokens, {curve[8]:.2f} at 9 and {curve[-1]:.2f} at {len(curve)}"
            for engine, curve in result.data["curves"].items()
        )
        return f"Time of a pass over k tokens, in passes over 1. {curves}."

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        floats, packed = (result.data["curves"][engine] for engine in self.engines)
        if result.quantity.value < 2:
            text = (
                "With packed weights eight tokens cost less than two passes. The weights are read once for all of "
                "them, so guesses are cheap to check. "
            )
        else:
            text = (
                "With packed weights a pass over eight tokens is dear here: arithmetic, not the weights' bytes, takes "
                "the time. Guesses must be good. "
            )
        text += (
            f"The float32 engine takes {floats[7]:.2f} passes for eight. It reads "
            f"{step_bytes(FLOATS) / step_bytes(PACKED):.1f} times the bytes, so there is more reading for the "
            "arithmetic to hide behind; but a multiply-add of floats takes as long as four of bytes, where the "
            "processor has an instruction for them. "
        )
        if packed[7] > 1.25 * prediction.quantity.value:
            text += (
                "More than the roofline says, which knows the products only: each row also has its own attention, "
                "its own rounding to int8, and its own place in the registers. "
            )
        if floats[8] > 1.3 * floats[7]:
            text += (
                f"In float32 the ninth token is a step: {floats[8]:.1f} passes instead of {floats[7]:.1f}. No roof "
                "bends there. From nine rows on the products are the library's, which is made for many rows. "
            )
        if packed[16] > 1.15 * packed[15]:
            text += (
                f"The packed kernel ends at sixteen rows, and the seventeenth reads all weights again: "
                f"{packed[16]:.1f} passes instead of {packed[15]:.1f}. "
            )
        return text + (
            "**The price of verification is a property of the kernel first, and of the machine second.**"
        )


class CudaVerifyCost(VerifyCost):
    """The same curve on a CUDA device, on seeded matrices of the model's total size."""

    id = "speculative.verify_cost_cuda"
    device = "cuda"
    question = "How many times as long as a pass over one token does a pass over eight take on a GPU?"
    SMALL = {"outputs": 64, "inputs": 32}
    engines = (DEVICE,)
    outputs, inputs = 11776, 11424
    cited = (
        "On H100 GPUs, vLLM spends between 42 and 95 % of its time in verification, "
        "and the gain shrinks as the batch grows ([Liu et al., 2026](https://arxiv.org/abs/2601.11580))."
    )

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        from lessons.measure import time

        if not torch.cuda.is_available():
            raise Unavailable("torch finds no CUDA device")
        generator = torch.Generator("cuda").manual_seed(0)
        shape: dict[str, Any] = {"device": "cuda", "dtype": torch.bfloat16, "generator": generator}
        # Sixteen matrices of the model's size each, more than any L2 holds.
        weights = [torch.randn(self.outputs, self.inputs, **shape) for _ in range(16)]
        seconds = []
        for k in ROWS[DEVICE]:
            x = torch.randn(k, self.inputs, **shape)
            products = partial(_products, x, weights)
            seconds.append(time(products, device="cuda").median().value)
        curve = [s / seconds[0] for s in seconds]
        return Outcome(Quantity(curve[7], self.unit, n=12), {"curves": {DEVICE: curve}})

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        (curve,) = result.data["curves"].values()
        if curve[7] < 1.25:
            return (
                "Eight rows cost about as much as one: the card waits for the weights, and rows ride along."
            )
        return (
            f"Eight rows cost {curve[7]:.2f} passes, and the roofline foresees none of it: the library picks another "
            "program for another number of rows, and not each of them reads the weights at the full rate."
        )


def _products(x, weights) -> None:
    for w in weights:
        x @ w.T
