"""Copy to the device from pinned and from pageable memory."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.measure import time
from lessons.passport import Passport, needs
from lessons.units import format_value


class PinnedTransfer(Experiment):
    """Copy a buffer to the device from pinned and from pageable memory."""

    id = "cpu_memory.pinned"
    unit = "1"
    device = "cuda"
    needs = (needs.CUDA,)
    panels = None

    def predict(self, passport: Passport) -> Outcome:
        return Outcome(passport.transfer("h2d", True).ratio(passport.transfer("h2d", False)))

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        target = torch.empty(64 << 20, dtype=torch.uint8, device="cuda")
        seconds = {}
        for name, pinned in (("pinned", True), ("pageable", False)):
            host = torch.ones(64 << 20, dtype=torch.uint8, pin_memory=pinned)
            seconds[name] = time(lambda: target.copy_(host), warmup=3, samples=15, device="cuda").median()
        fresh = torch.ones(64 << 20, dtype=torch.uint8)
        seconds["pin now, then copy"] = time(
            lambda: target.copy_(fresh.pin_memory(), non_blocking=True), warmup=3, samples=15, device="cuda"
        ).median()
        ratio = seconds["pageable"].ratio(seconds["pinned"])
        return Outcome(ratio, seconds)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        return {"ways": ", ".join(f"{name} {format_value(q.value, 's')}" for name, q in result.data.items())}
