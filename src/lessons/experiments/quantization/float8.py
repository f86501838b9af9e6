"""16-bit against 8-bit products on a CUDA device that has 8-bit floats."""

from __future__ import annotations

from functools import partial

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.ratios import ratio
from lessons.formulas.roofline import gemm
from lessons.measure import time
from lessons.measure.verdict import AS_FORESEEN, JUDGED, LESS, MORE, UNSURE, foreseen
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value

ENDS = ("bfloat16", "FP8")
# How the product of many rows comes out beside its prediction.
MANY = {AS_FORESEEN: "many-as-foreseen", MORE: "many-more", LESS: "many-less", UNSURE: "many-unsure"}


class Float8OnDevice(Experiment):
    """A product with few rows, which reads weights, and with many, which multiplies."""

    id = "quantization.cuda"
    unit = "1"
    kind = "ratio"
    device = "cuda"
    needs = (needs.CUDA, needs.FLOAT8)
    panels = None
    FINDINGS = (*JUDGED, *MANY.values(), "two-reasons")
    SMALL = {"size": 64}
    few, many, size = 16, 4096, 8192

    def predict(self, passport: Passport) -> Outcome:
        predicted = {rows: self._ratio(passport, rows) for rows in (self.few, self.many)}
        by, ends = predicted[self.few]
        ratios = {str(rows): by.value for rows, (by, _) in predicted.items()}
        return Outcome(by.quantity(self.unit), {"ratios": ratios}, by=by, ends=ends)

    def _ratio(self, passport: Passport, rows: int) -> tuple[Derivation, dict[str, Quantity]]:
        wide, narrow = (gemm(rows, self.size, self.size, itemsize) for itemsize in (2, 1))
        operands = {
            "F": Operand(f"operations of {rows:,} rows", Quantity(wide.flop, "FLOP"), "counted"),
            "P": Operand("torch, large bfloat16 product", passport.matmul("bfloat16", device="cuda")),
            "B": Operand("matrices in bfloat16", Quantity(wide.bytes, "B"), "counted"),
            # The result is bfloat16 either way; at these sizes that hardly matters.
            "C": Operand("matrices in FP8", Quantity(narrow.bytes, "B"), "counted"),
            "R": Operand("reads in memory", passport.bandwidth("read", device="cuda")),
        }
        # On paper the matrix units do twice as much in FP8.
        return ratio(dict(zip(ENDS, ("max(F / P, B / R)", "max(F / (2 * P), C / R)"))), operands)

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        one = torch.ones((), device="cuda")
        w = torch.randn(self.size, self.size, device="cuda")
        w16, w8 = w.bfloat16(), w.to(torch.float8_e4m3fn)
        ratios, seconds, ends = {}, {}, {}
        for rows in (self.few, self.many):
            progress(f"{rows} rows")
            x = torch.randn(rows, self.size, device="cuda")
            x16, x8 = x.bfloat16(), x.to(torch.float8_e4m3fn)
            product16 = partial(torch.matmul, x16, w16.T)
            product8 = partial(torch._scaled_mm, x8, w8.T, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
            wide, narrow = (
                time(product, warmup=5, samples=30, device="cuda").median()
                for product in (product16, product8)
            )
            ratios[str(rows)], seconds[str(rows)] = wide.ratio(narrow), narrow
            ends[rows] = dict(zip(ENDS, (wide, narrow)))
        return Outcome(ratios[str(self.few)], {"ratios": ratios, "seconds": seconds}, ends=ends[self.few])

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        facts: dict[str, object] = {}
        for name, rows in (("few", self.few), ("many", self.many)):
            facts[name] = f"{rows:,}"
            facts[f"{name}_seconds"] = format_value(result.data["seconds"][str(rows)].value, "s")
            facts[f"{name}_ratio"] = f"{result.data['ratios'][str(rows)].value:.2f}"
        return facts

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        few, rows = self.verdict(prediction, result), str(self.many)
        many = foreseen(result.data["ratios"][rows].scaled(1 / prediction.data["ratios"][rows]))
        return [few, MANY[many], *(["two-reasons"] if few == many == AS_FORESEEN else [])]
