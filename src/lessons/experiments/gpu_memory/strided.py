"""Read one element in every few: a memory hands out lines, and what is not used of them has been read all the same."""

from __future__ import annotations

from functools import partial
from typing import Any

from lessons import topology
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.looks import border, measured
from lessons.measure.stats import median_interval, median_ratio
from lessons.measure.turns import in_turns
from lessons.measure.verdict import AS_FORESEEN, FORESEEN, LESS, MORE, UNSURE, differs, foreseen
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value

FLOAT = 4  # bytes of an element
LINE = 64  # bytes, where a system tells of no cache
ONE = Quantity(1, "1")
TIME = {AS_FORESEEN: "full-time", LESS: "less-time", MORE: "more-time", UNSURE: "time-cant-tell"}
FURTHER = {
    AS_FORESEEN: "further-alike",
    LESS: "further-less",
    MORE: "further-more",
    UNSURE: "further-cant-tell",
}
BEYOND = 4  # the largest stride, in lines


class Strided(Experiment):
    """Sum every element, every second, every fourth: the bytes that are used per second."""

    id = "gpu_memory.strided"
    unit = "B/s"
    SMALL = {"limit": 1 << 16, "rounds": 1}
    FINDINGS = (
        *(*TIME.values(), *FURTHER.values(), "further-half"),
        *(*FORESEEN, "rate-decides", "pattern-decides", "cause-cant-tell"),
    )
    limit = 1 << 30  # bytes of the array
    rounds = 7
    calls = 3  # of a round, of which the shortest counts: a neighbour only adds

    def predict(self, passport: Passport) -> Outcome:
        unit = self._unit(passport.machine["caches"])
        rate = passport.bandwidth("read", "dram", device=self.device)
        by = Derivation(
            "B * e / l",
            {
                "B": Operand("reads in memory", rate),
                "e": Operand("bytes of an element", Quantity(FLOAT, "B"), "chosen"),
                "l": Operand(f"bytes of a {self.called}", Quantity(unit, "B"), "counted"),
            },
        )
        strides = _strides(unit)
        useful = [rate.value * FLOAT / min(unit, FLOAT * stride) for stride in strides]
        return Outcome(by.quantity(self.unit), {"unit": unit, "strides": strides, "useful": useful}, by=by)

    called = "cache line"

    def _unit(self, caches: list[dict[str, Any]]) -> int:
        """Return the bytes that memory hands out at least: a line of the last cache."""
        return caches[-1]["line"] if caches else LINE

    def _array(self) -> tuple[Any, int]:
        """Return an array that no cache holds, and the bytes of a line."""
        from lessons.kernels.tools.buffers import aligned

        here = topology.read()
        size = min(topology.working_sets(here)["dram"], self.limit)
        return aligned(size // FLOAT, "float32", 1.0), self._unit(here.to_json()["caches"])

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.strided import strided

        x, unit = self._array()
        strides = _strides(unit)
        # Each pass follows one over all of the array, which leaves the caches alike and is what it is compared with.
        runs = {
            (stride, step): partial(strided, x, step)
            for stride in strides
            for step in dict.fromkeys((1, stride))
        }
        every = in_turns(runs, self.rounds * self.calls, device=self.device, progress=progress)
        seconds = {
            key: [min(found[i :: self.rounds]) for i in range(self.rounds)] for key, found in every.items()
        }
        all_of_it = [s for (stride, step), found in seconds.items() if step == 1 for s in found]
        useful, times = [], []
        for stride in strides:
            read = FLOAT * -(-len(x) // stride)
            useful.append(median_interval(seconds[stride, stride], "s").inverse(read, "B/s"))
            times.append(median_ratio(seconds[stride, stride], seconds[stride, 1]))
        rate = median_interval(all_of_it, "s").inverse(FLOAT * len(x), "B/s")
        data = {"unit": unit, "strides": strides, "useful": useful, "times": times, "rate": rate}
        return Outcome(_at(data, "useful", unit), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        figures.predicted(
            ax, prediction.data["strides"], prediction.data["useful"], "predicted from the passport"
        )
        measured(ax, result.data["strides"], result.data["useful"])
        border(ax, prediction.data["unit"] / FLOAT, f"one per {self.called}")
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        figures.rate_axis(ax.yaxis, "B/s", log=True)
        ax.set_xlabel("stride (elements of 4 bytes)")
        ax.set_ylabel("bytes used per second")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        data, unit = result.data, result.data["unit"]
        used = _at(data, "useful", unit)
        return {
            "unit": unit,
            "stride": unit // FLOAT,
            "further": 2 * unit,
            "share": f"1/{unit // FLOAT}",
            "times": format_value(_at(data, "times", unit).value, "1", 2),
            "times_interval": _at(data, "times", unit),
            "two": format_value(_at(data, "useful", 2 * unit).ratio(used).value, "1", 2),
            "two_interval": _at(data, "useful", 2 * unit).ratio(used),
            "all": data["rate"],
            "peak": format_value(prediction.data["useful"][0], "B/s"),
            "with_rate": format_value(data["rate"].value * FLOAT / unit, "B/s"),
            "by_stride": "; ".join(
                f"{stride}: {format_value(q.value, 'B/s')}"
                for stride, q in zip(data["strides"], data["useful"])
            ),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        data, unit = result.data, result.data["unit"]
        verdict = self.verdict(prediction, result)
        two = _at(data, "useful", 2 * unit).ratio(_at(data, "useful", unit))
        return [
            TIME[foreseen(_at(data, "times", unit))],
            "further-half" if differs(two, 0.5) < 0 else FURTHER[foreseen(two)],
            verdict,
            *([_cause(result)] if verdict in (LESS, MORE) else []),
        ]


class GpuStrided(Strided):
    """The same on a CUDA device, whose memory hands out sectors."""

    id = "gpu_memory.gpu_strided"
    device = "cuda"
    needs = (needs.CUDA,)
    SMALL = {"limit": 1 << 14, "rounds": 1, "calls": 1}
    called = "sector"

    def _unit(self, caches: list[dict[str, Any]]) -> int:
        """Return the bytes of a sector, the least part of a line that a CUDA device fetches."""
        return 32

    def _array(self) -> tuple[Any, int]:
        import torch

        return torch.ones(self.limit // FLOAT, device="cuda"), self._unit([])


def _strides(unit: int) -> list[int]:
    """Return strides from 1 to ``BEYOND`` lines of ``unit`` bytes, each twice the one before."""
    strides = [1]
    while FLOAT * strides[-1] < BEYOND * unit:
        strides.append(2 * strides[-1])
    return strides


def _at(data: dict[str, Any], name: str, distance: int) -> Quantity:
    """Return what was found where elements lie ``distance`` bytes apart."""
    return data[name][data["strides"].index(distance // FLOAT)]


def _cause(result: Outcome) -> str:
    """Return whether this run's own rate of whole passes, put in the passport's place, brings the prediction near."""
    due = result.data["rate"].value * FLOAT / result.data["unit"]
    with_rate = foreseen(result.quantity.scaled(1 / due, "1"))
    return {AS_FORESEEN: "rate-decides", UNSURE: "cause-cant-tell"}.get(with_rate, "pattern-decides")
