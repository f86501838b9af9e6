"""A GPU's working sets, small to large: how long a load takes, and how many bytes per second all of it reads."""

from __future__ import annotations

from typing import Any

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Operand
from lessons.experiments.ratios import ratio
from lessons.measure import time
from lessons.measure.verdict import AS_FORESEEN, BAND, JUDGED, LESS, MORE, differs, foreseen
from lessons.passport import Passport, needs
from lessons.passport.cuda import l2_bytes
from lessons.units import KiB, MiB, Quantity, format_binary, format_value

LINE = 128  # bytes: each link of the ring has a line of the GPU to itself
FAR, NEAR = "a load from memory", "a load from the L2"


class GpuStaircase(Experiment):
    """Chase pointers with one thread, and read with all of them, over working sets of growing size."""

    id = "gpu_memory.gpu_staircase"
    unit = "1"
    kind = "ratio"
    device = "cuda"
    needs = (needs.CUDA,)
    panels = (1, 2)
    FINDINGS = (
        *("l1-answers", "leaves-early", "leaves-late"),
        *(*JUDGED, "near-decides", "far-decides", "both-decide"),
    )
    SMALL = {"rings": (4 * KiB, 8 * KiB), "arrays": (64 * KiB,), "steps": 64, "moved": 64 * KiB, "samples": 1}

    def __init__(self, steps: int = 1 << 14, moved: int = 256 * MiB, samples: int = 9) -> None:
        self.rings = tuple(4 * KiB << i for i in range(18))  # to 512 MiB
        self.arrays = tuple(4 * MiB << i for i in range(8))  # less does not keep every thread busy
        self.steps = steps  # of each sample: several rounds of the rings that an L1 can hold
        self.moved = moved  # bytes of each sample, in as many passes as that takes
        self.samples = samples

    def predict(self, passport: Passport) -> Outcome:
        seconds = {level: passport.latency(level, "cuda") for level in ("l2", "dram")}
        rates = {level: passport.bandwidth("read", level, device="cuda").value for level in seconds}
        operands = {
            "m": Operand("a dependent load from the device's memory", seconds["dram"]),
            "u": Operand("a dependent load from its L2", seconds["l2"]),
        }
        by, ends = ratio({FAR: "m", NEAR: "u"}, operands)
        data = {"seconds": {level: load.value for level, load in seconds.items()}, "rates": rates}
        return Outcome(by.quantity(self.unit), data, by=by, ends=ends)

    def run(self, progress: Progress = SILENT) -> Outcome:
        cache = l2_bytes()
        seconds, rates = [], []
        for size in self.rings:
            progress(f"chase, {format_binary(size)}")
            seconds.append(_chase(size, self.steps, self.samples, cache))
        for size in self.arrays:
            progress(f"read, {format_binary(size)}")
            rates.append(_read(size, max(1, self.moved // size), self.samples))
        data = {
            "cache": cache,
            "rings": list(self.rings),
            "seconds": seconds,
            "arrays": list(self.arrays),
            "rates": rates,
        }
        far, near = seconds[-1], _near(data)
        return Outcome(far.ratio(near), data, ends={FAR: far, NEAR: near})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.experiments import looks

        left, right = figure.axes
        cache = result.data["cache"]
        for ax, xs, name in ((left, "rings", "seconds"), (right, "arrays", "rates")):
            sizes, levels = result.data[xs], prediction.data[name]
            inside = min(max(cache, sizes[0]), sizes[-1])
            ends, heights = [sizes[0], inside], [levels["l2"]] * 2
            if inside < sizes[-1]:
                ends, heights = [*ends, inside, sizes[-1]], [*heights, *[levels["dram"]] * 2]
            figures.predicted(ax, ends, heights, "predicted from the passport")
            looks.measured(ax, sizes, result.data[name])
            if sizes[0] <= cache <= sizes[-1]:
                looks.border(ax, cache, "L2")
            figures.bytes_axis(ax.xaxis)
            ax.set_xlabel("working set")
        figures.time_axis(left.yaxis, log=True)
        left.set_ylabel("time of one load, 1 thread")
        figures.rate_axis(right.yaxis, "B/s", log=True)
        right.set_ylabel("read bandwidth, all threads")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        data, foretold = result.data, prediction.data
        far, near = data["seconds"][-1], _near(data)
        last = _last_inside(data)
        return {
            "cache": format_binary(data["cache"]),
            "near": format_value(near.value, "s"),
            "far": format_value(far.value, "s"),
            "first": format_value(data["seconds"][0].value, "s"),
            "smallest": format_binary(data["rings"][0]),
            "near_due": format_value(foretold["seconds"]["l2"], "s"),
            "far_due": format_value(foretold["seconds"]["dram"], "s"),
            "top": format_value(max(rate.value for rate in data["rates"]), "B/s"),
            "bottom": format_value(data["rates"][-1].value, "B/s"),
            "last": format_binary(last[0]),
            "last_load": format_value(last[1].value, "s"),
            "beyond": format_binary(_first_outside(data)[0]),
            "beyond_load": format_value(_first_outside(data)[1].value, "s"),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        data, verdict = result.data, self.verdict(prediction, result)
        far, near = data["seconds"][-1], _near(data)
        shown = {
            "l1-answers": differs(data["seconds"][0].ratio(near), 1 / BAND) < 0,
            "leaves-early": differs(_last_inside(data)[1].ratio(near), BAND) > 0,
            "leaves-late": differs(_first_outside(data)[1].ratio(far), 1 / BAND) < 0,
        }
        return [
            *(name for name, seen in shown.items() if seen),
            verdict,
            *([self._cause(prediction, result)] if verdict in (LESS, MORE) else []),
        ]

    def _cause(self, prediction: Outcome, result: Outcome) -> str:
        """Return which load makes the miss: the one that, measured, brings the prediction near."""
        predicted, far, near = prediction.data["seconds"], result.data["seconds"][-1], _near(result.data)
        if foreseen(result.quantity.scaled(near.value / predicted["dram"])) == AS_FORESEEN:
            return "near-decides"
        if foreseen(result.quantity.scaled(predicted["l2"] / far.value)) == AS_FORESEEN:
            return "far-decides"
        return "both-decide"


def _near(data: dict[str, Any]) -> Quantity:
    """Return the load of the largest ring of up to a quarter of the L2, which is the passport's; else of the first."""
    return next((s for size, s in _downwards(data) if size <= data["cache"] // 4), data["seconds"][0])


def _last_inside(data: dict[str, Any]) -> tuple[int, Quantity]:
    """Return the largest ring that the L2 holds, and its load."""
    return next((found for found in _downwards(data) if found[0] <= data["cache"]), _downwards(data)[-1])


def _first_outside(data: dict[str, Any]) -> tuple[int, Quantity]:
    """Return the smallest ring that the L2 does not hold, and its load."""
    upwards = _downwards(data)[::-1]
    return next((found for found in upwards if found[0] > data["cache"]), upwards[-1])


def _downwards(data: dict[str, Any]) -> list[tuple[int, Quantity]]:
    return list(zip(data["rings"], data["seconds"]))[::-1]


def _chase(size: int, steps: int, samples: int, cache: int) -> Quantity:
    """Return the seconds of a load. A ring that the cache holds is in it; of another one, nothing is."""
    import torch

    from lessons.kernels.chase import walker
    from lessons.kernels.chase.reference import cycle

    stride = LINE // 8
    links = torch.zeros(size // 8, dtype=torch.int64)
    links[::stride] = torch.from_numpy(cycle(size // LINE)) * stride
    links = links.cuda()
    if size > cache:
        torch.empty(4 * cache // 8, dtype=torch.int64, device="cuda").zero_()
    else:
        links.sum()
    timing = time(walker(links, steps), warmup=1, samples=samples, device="cuda")
    return timing.median().scaled(1 / steps)


def _read(size: int, passes: int, samples: int) -> Quantity:
    """Return the bytes per second of all threads over one array, which a sample reads ``passes`` times."""
    import torch

    from lessons.kernels.stream import stream

    array = torch.ones(size // 8, dtype=torch.float64, device="cuda")
    timing = time(
        lambda: stream("read", array, array, repeats=passes), warmup=1, samples=samples, device="cuda"
    )
    return timing.rate(size * passes, "B/s")
