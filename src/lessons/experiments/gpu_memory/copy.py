"""Copy on the device: our kernel, torch's copy, and the data sheet."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial

from lessons import datasheets
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.measure import in_turns, median_interval, median_ratio
from lessons.measure.verdict import FORESEEN, differs
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_bytes, format_value, percent

GOOD = 0.86  # of the data sheet: what this book expects of a copy that has enough bytes in flight
# The data sheets of cards by the names that their drivers give, the longer ones first.
CARDS = {
    "A100-SXM4-40GB": "a100_sxm_40gb",
    "A100-SXM4-80GB": "a100_sxm_80gb",
    "A100 80GB PCIe": "a100_pcie_80gb",
    "H100 80GB HBM3": "h100_sxm",
    "H100 PCIe": "h100_pcie",
    "H100 NVL": "h100_nvl",
    "H200": "h200_sxm",
    "B200": "b200_sxm",
    "L40S": "l40s",
    "RTX 3090": "rtx_3090",
    "RTX 4090": "rtx_4090",
    "RTX 5090": "rtx_5090",
}
SHORT_OF = ("GH200", "GB200", "H200 NVL", "Ti", "Laptop", "MIG", " D")  # names that hold another card's


class GpuCopy(Experiment):
    """Copy a large buffer in the device's memory, with several words in flight per thread, and as torch does."""

    id = "gpu_memory.gpu_copy"
    unit = "B/s"
    device = "cuda"
    needs = (needs.CUDA,)
    SMALL = {"limit": 1 << 14, "rounds": 1}
    FINDINGS = (
        *FORESEEN,
        *("sheet-reached", "sheet-missed", "sheet-cant-tell", "sheet-unknown"),
        *("torch-slower", "torch-alike", "torch-faster"),
    )
    limit = 1 << 40  # bytes of one of the two buffers
    rounds = 15

    def predict(self, passport: Passport) -> Outcome:
        rate = passport.bandwidth("copy", device="cuda")
        sheet = sheet_bandwidth(next(iter(passport.machine["gpus"]), ""))
        return Outcome(
            rate,
            {"sheet": sheet},
            textbook=None if sheet is None else Quantity(sheet, self.unit),
            by=Derivation("R", {"R": Operand("a copy, one word per thread", rate)}),
        )

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        from lessons.kernels.copy import copy
        from lessons.passport.cuda import working_sets

        size = min(working_sets()["dram"], self.limit)
        source = torch.ones(size // 8, dtype=torch.float64, device="cuda")
        target = torch.empty_like(source)
        progress(f"copying {format_bytes(size)}")
        ways: dict[Hashable, Callable[[], object]] = {
            "ours": partial(copy, target, source),
            "torch": partial(target.copy_, source),
        }
        found = in_turns(ways, self.rounds, device="cuda", least_of=3)
        # Each byte is read and written, as STREAM counts.
        ours, torchs = (median_interval(found[way], "s").inverse(2 * size, "B/s") for way in ways)
        gain = median_ratio(found["torch"], found["ours"])
        return Outcome(ours, {"size": size, "ours": ours, "torch": torchs, "gain": gain})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        rates = {"ours": result.data["ours"], "torch's copy_": result.data["torch"]}
        places = range(len(rates))
        figures.bars(ax, places, [q.value for q in rates.values()], "measured")
        figures.levels(ax, places, [prediction.quantity.value] * len(rates), "predicted from the passport")
        if prediction.data["sheet"]:
            figures.published(ax, places, [prediction.data["sheet"]] * len(rates), "published, data sheet")
        ax.set_xticks(places, list(rates))
        ax.grid(axis="x", visible=False)
        figures.rate_axis(ax.yaxis, "B/s")
        ax.set_ylabel("read plus written")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        sheet = prediction.data["sheet"]
        return {
            "size": format_bytes(result.data["size"]),
            "ours": format_value(result.data["ours"].value, "B/s"),
            "torch": format_value(result.data["torch"].value, "B/s"),
            "gain": format_value(result.data["gain"].value, "1"),
            "share": percent(result.quantity.value / sheet, 3) if sheet else "",
            "sheet": format_value(sheet, "B/s") if sheet else "",
            "due": format_value(prediction.quantity.value, "B/s"),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        sheet = prediction.data["sheet"]
        known = {1: "sheet-reached", 0: "sheet-cant-tell", -1: "sheet-missed"}
        return [
            self.verdict(prediction, result),
            known[differs(result.quantity, GOOD * sheet)] if sheet else "sheet-unknown",
            {1: "torch-slower", 0: "torch-alike", -1: "torch-faster"}[differs(result.data["gain"])],
        ]


def sheet_bandwidth(name: str) -> float | None:
    """Return the B/s that the data sheet of the card with this driver's name has, or None where none is known."""
    if any(word in name for word in SHORT_OF):
        return None
    key = next((key for words, key in CARDS.items() if words in name), None)
    return datasheets.accelerator(key).bandwidth if key else None
