"""Copy to the device from pinned and from pageable memory."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.measure import time
from lessons.measure.verdict import JUDGED
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value

SIZE = 64 << 20  # bytes of the buffer


class PinnedTransfer(Experiment):
    """Copy a buffer to the device from pinned and from pageable memory."""

    id = "cpu_memory.pinned"
    unit = "1"
    kind = "ratio"
    device = "cuda"
    needs = (needs.CUDA,)
    panels = None
    FINDINGS = JUDGED

    def predict(self, passport: Passport) -> Outcome:
        pinned, pageable = passport.transfer("h2d", True), passport.transfer("h2d", False)
        by = Derivation(
            "(N / Q) / (N / P)",
            {
                "N": Operand("bytes of the buffer", Quantity(SIZE, "B"), "chosen"),
                "Q": Operand("copies from pageable memory", pageable),
                "P": Operand("copies from pinned memory", pinned),
            },
        )
        ends = {"pageable": pageable.inverse(SIZE, "s"), "pinned": pinned.inverse(SIZE, "s")}
        return Outcome(pinned.ratio(pageable), by=by, ends=ends)

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        target = torch.empty(SIZE, dtype=torch.uint8, device="cuda")
        seconds = {}
        for name, pinned in (("pinned", True), ("pageable", False)):
            host = torch.ones(SIZE, dtype=torch.uint8, pin_memory=pinned)
            seconds[name] = time(lambda: target.copy_(host), warmup=3, samples=15, device="cuda").median()
        fresh = torch.ones(SIZE, dtype=torch.uint8)
        seconds["pin now, then copy"] = time(
            lambda: target.copy_(fresh.pin_memory(), non_blocking=True), warmup=3, samples=15, device="cuda"
        ).median()
        ends = {name: seconds[name] for name in ("pageable", "pinned")}
        return Outcome(ends["pageable"].ratio(ends["pinned"]), seconds, ends=ends)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        return {"ways": ", ".join(f"{name} {format_value(q.value, 's')}" for name, q in result.data.items())}

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        return [self.verdict(prediction, result)]
