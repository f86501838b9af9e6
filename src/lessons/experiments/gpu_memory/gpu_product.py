"""A matrix product on a CUDA device: a thread for each result, tiles in shared memory, results in registers."""

from __future__ import annotations

from functools import partial

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.gpu_memory.lanes import lanes
from lessons.experiments.looks import measured
from lessons.formulas.roofline import tiled_product
from lessons.measure import time
from lessons.measure.verdict import AT_MOST, differs
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value, percent

# Way -> the sides of the squares of results that a thread keeps, and that a block does. Each number that a thread
# multiplies comes through the L1, from there or from its other half, the shared memory; what a block brings, from L2.
SQUARES = {"naive": (1, 16), "tiled": (1, 16), "registers": (4, 64)}
NAMES = {"naive": "naive", "tiled": "tiles", "registers": "tiles and registers", "torch": "torch"}
L1_BYTES = 128  # per clock and multiprocessor, of the L1 and the shared memory together, since 2017


class GpuProduct(Experiment):
    """Multiply two matrices on the device in three ways of our own and with torch."""

    id = "gpu_memory.gpu_product"
    unit = "FLOP/s"
    kind = "at most"
    device = "cuda"
    needs = (needs.CUDA,)
    SMALL = {"n": 16, "warmup": 0, "samples": 1}
    FINDINGS = (*AT_MOST, "tiles-gain", "tiles-no-gain", "registers-gain", "registers-no-gain")
    n = 4096
    warmup, samples = 2, 7

    def predict(self, passport: Passport) -> Outcome:
        peak, l2 = passport.flops("float32", device="cuda"), passport.bandwidth("read", "l2", device="cuda")
        each = lanes(passport)
        rates = {way: _bound(self.n, way, peak, l2, each) for way in SQUARES}
        return Outcome(
            rates["registers"].quantity(self.unit),
            {
                "rates": {way: by.value for way, by in rates.items()},
                "torch": passport.matmul(device="cuda").value,
            },
            textbook=Quantity(peak.value, self.unit),
            by=rates["registers"],
        )

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        from lessons.kernels.gemm import product

        a, b, out = (torch.full((self.n, self.n), 0.5, device="cuda") for _ in range(3))
        ways = {way: partial(product, a, b, way, out=out) for way in SQUARES}
        ways["torch"] = partial(torch.matmul, a, b, out=out)
        rates = {}
        for way, run in ways.items():
            progress(NAMES[way])
            timing = time(run, warmup=self.warmup, samples=self.samples, device="cuda")
            rates[way] = timing.rate(2 * self.n**3, "FLOP/s")
        return Outcome(rates["registers"], rates)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        places = range(len(NAMES))
        expected = [*prediction.data["rates"].values(), prediction.data["torch"]]
        figures.levels(ax, places, expected, "predicted")
        measured(ax, places, [result.data[way] for way in NAMES], linestyle="none")
        ax.set_xticks(places, [name.replace(" and ", "\nand ") for name in NAMES.values()])
        ax.grid(axis="x", visible=False)
        figures.rate_axis(ax.yaxis, "FLOP/s", log=True)
        ax.set_ylabel("arithmetic rate")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        due = {**prediction.data["rates"], "torch": prediction.data["torch"]}
        return {
            "n": f"{self.n:,}",
            "ways": "; ".join(
                f"{NAMES[way]} {format_value(result.data[way].value, 'FLOP/s')}, "
                f"predicted {format_value(due[way], 'FLOP/s')}"
                for way in NAMES
            ),
            "due": format_value(prediction.quantity.value, "FLOP/s"),
            "tiles_gain": format_value(result.data["tiled"].value / result.data["naive"].value, "1", 2),
            "registers_gain": format_value(
                result.data["registers"].value / result.data["tiled"].value, "1", 2
            ),
            "share": percent(result.data["registers"].value / result.data["torch"].value),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        data = result.data
        gains = (differs(data["tiled"].ratio(data["naive"])), differs(data["registers"].ratio(data["tiled"])))
        names = (("tiles-gain", "tiles-no-gain"), ("registers-gain", "registers-no-gain"))
        return [
            self.verdict(prediction, result),
            *(gain if better > 0 else none for better, (gain, none) in zip(gains, names)),
        ]


def _bound(n: int, way: str, peak: Quantity, l2: Quantity, each: int) -> Derivation:
    """Return the highest rate of one way: its arithmetic, what passes the L1, or what passes the L2, is the limit."""
    thread, block = (tiled_product(n, min(side, n)) for side in SQUARES[way])
    return Derivation(
        "min(P, F / A * (P / (2 * w) * c), F / B * R)",
        {
            "P": Operand("float32 multiply-adds in registers", peak),
            "F": Operand("operations", Quantity(thread.flop, "FLOP"), "counted"),
            "A": Operand("bytes that threads read through L1", Quantity(thread.bytes, "B"), "counted"),
            "B": Operand("bytes that blocks read from L2", Quantity(block.bytes, "B"), "counted"),
            "w": Operand("multiply-adds per clock of a multiprocessor", Quantity(each, "1"), "published"),
            "c": Operand("bytes per clock of its L1", Quantity(L1_BYTES, "1"), "published"),
            "R": Operand("reads in L2", l2),
        },
    )
