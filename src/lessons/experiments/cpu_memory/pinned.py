"""Copy to the device from pinned and from pageable memory."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress, Unavailable
from lessons.measure import time
from lessons.passport import Passport
from lessons.units import format_value


class PinnedTransfer(Experiment):
    """Copy a buffer to the device from pinned and from pageable memory."""

    id = "cpu_memory.pinned"
    title = "speed-up of a host-to-device copy by pinning"
    unit = "1"
    device = "cuda"
    panels = None
    question = "How much faster does a buffer reach the device when its pages are pinned?"
    cited = (
        "Pinning is not free. PyTorch's own tutorial shows that `x.pin_memory().to(device, non_blocking=True)` from "
        "the main thread can be slower than a plain `x.to(device)`, since it first copies the buffer into pinned "
        "pages and waits for it. Pin once and reuse, or let the DataLoader's own thread do it "
        "([A guide on good usage of `non_blocking` and `pin_memory()`]"
        "(https://docs.pytorch.org/tutorials/intermediate/pinmem_nonblock.html))."
    )

    def predict(self, passport: Passport) -> Outcome:
        return Outcome(passport.transfer("h2d", True).ratio(passport.transfer("h2d", False)))

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        if not torch.cuda.is_available():
            raise Unavailable("torch finds no CUDA device on this computer")
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
        return Outcome(ratio, {name: q.value for name, q in seconds.items()})

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        parts = ", ".join(f"{name} {format_value(s, 's')}" for name, s in result.data.items())
        return f"One buffer, three ways: {parts}. Pinning pays once the buffer is used again."
