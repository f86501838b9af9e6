"""16-bit against 8-bit products on a CUDA device that has 8-bit floats."""

from __future__ import annotations

from functools import partial

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.formulas.roofline import gemm, time_bound
from lessons.measure import time
from lessons.measure.verdict import AS_FORESEEN, FORESEEN, LESS, MORE, UNSURE, foreseen
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value

# How the product of many rows comes out beside its prediction.
MANY = {AS_FORESEEN: "many-as-foreseen", MORE: "many-more", LESS: "many-less", UNSURE: "many-unsure"}


class Float8OnDevice(Experiment):
    """A product with few rows, which reads weights, and with many, which multiplies."""

    id = "quantization.cuda"
    unit = "1"
    device = "cuda"
    needs = (needs.CUDA, needs.FLOAT8)
    panels = None
    FINDINGS = (*FORESEEN, *MANY.values(), "two-reasons")
    SMALL = {"size": 64}
    few, many, size = 16, 4096, 8192

    def predict(self, passport: Passport) -> Outcome:
        rate = passport.bandwidth("read", "dram", device="cuda").value
        peak = passport.matmul("bfloat16", device="cuda").value
        ratios = {}
        for rows in (self.few, self.many):
            wide = time_bound(gemm(rows, self.size, self.size, 2), peak, rate)
            # The result is bfloat16 either way; at these sizes that hardly matters.
            narrow = time_bound(gemm(rows, self.size, self.size, 1), 2 * peak, rate)
            ratios[str(rows)] = wide / narrow
        return Outcome(Quantity(ratios[str(self.few)], "1"), {"ratios": ratios})

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        one = torch.ones((), device="cuda")
        w = torch.randn(self.size, self.size, device="cuda")
        w16, w8 = w.bfloat16(), w.to(torch.float8_e4m3fn)
        ratios, seconds = {}, {}
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
        return Outcome(ratios[str(self.few)], {"ratios": ratios, "seconds": seconds})

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        facts: dict[str, object] = {}
        for name, rows in (("few", self.few), ("many", self.many)):
            facts[name] = f"{rows:,}"
            facts[f"{name}_seconds"] = format_value(result.data["seconds"][str(rows)].value, "s")
            facts[f"{name}_ratio"] = f"{result.data['ratios'][str(rows)].value:.2f}"
        return facts

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        few, many = (
            foreseen(result.data["ratios"][str(rows)].scaled(1 / prediction.data["ratios"][str(rows)]))
            for rows in (self.few, self.many)
        )
        return [few, MANY[many], *(["two-reasons"] if few == many == AS_FORESEEN else [])]
