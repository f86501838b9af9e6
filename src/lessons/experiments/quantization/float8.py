"""16-bit against 8-bit products on a CUDA device that has 8-bit floats."""

from __future__ import annotations

from functools import partial

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress, Unavailable
from lessons.formulas.roofline import gemm, time_bound
from lessons.measure import time
from lessons.passport import Passport
from lessons.units import Quantity, format_value

FIRST_WITH_FP8 = (8, 9)  # compute capability: Ada; Hopper is 9.0


class Float8OnDevice(Experiment):
    """A product with few rows, which reads weights, and with many, which multiplies."""

    id = "quantization.cuda"
    title = "bfloat16 over FP8 time, 16 rows of activations, on the GPU"
    unit = "1"
    question = (
        "On a GPU, how many times as long does a product of 16 rows take with 16-bit weights as in FP8?"
    )
    device = "cuda"
    panels = None
    SMALL = {"size": 64}
    few, many, size = 16, 4096, 8192
    cited = (
        "Weight-only 4-bit kernels come near their factor of four while batches are small, up to 16 to 32 rows, and "
        "fall towards 1.5 at 128 ([Frantar et al. 2025](https://arxiv.org/abs/2408.11743)). FP8 products run at "
        "twice the 16-bit rate on paper on NVIDIA cards from Ada and Hopper on; a whole language model gained little "
        "from it on an H800 where memory or overheads were the limit ([Luo et al. 2024](https://arxiv.org/abs/2402.13499))."
    )

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

        if not torch.cuda.is_available():
            raise Unavailable("torch finds no CUDA device")
        if torch.cuda.get_device_capability() < FIRST_WITH_FP8:
            raise Unavailable("this device has no 8-bit floats; they came with compute capability 8.9")
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
            ratios[str(rows)], seconds[str(rows)] = wide.ratio(narrow), narrow.value
        return Outcome(
            ratios[str(self.few)],
            {"ratios": {rows: q.value for rows, q in ratios.items()}, "seconds": seconds},
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        few, many = (result.data["ratios"][str(rows)] for rows in (self.few, self.many))
        seconds = result.data["seconds"]
        text = (
            f"With {self.few} rows FP8 takes {format_value(seconds[str(self.few)], 's')} and is {few:.2f} times as "
            f"fast: it reads half the bytes. With {self.many:,} rows it takes "
            f"{format_value(seconds[str(self.many)], 's')} and is {many:.2f} times as fast: the matrix units do "
            "twice as much. "
        )
        if min(few, many) < 1.5:
            return text + (
                "Where the factor stays below two, the kernel is limited by something else than the roof that moved."
            )
        return text + "The same two, for two different reasons."
