"""Transpose a matrix, down its columns and by squares: the same bytes, but a line of them moved once or many times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import gcd
from typing import ClassVar

from lessons import topology
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Derivation, Operand
from lessons.experiments.looks import NAMES
from lessons.formulas import memory
from lessons.measure.stats import median_interval
from lessons.measure.turns import in_turns
from lessons.measure.verdict import AS_FORESEEN, AT_LEAST, MORE, UNSURE, differs, foreseen
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_value

FLOAT, LINE = 4, 64  # bytes
SECTOR, BANKS = 32, 32  # bytes of a sector, and words beside each other that no two share a bank
LARGEST = 8192  # elements on a side


class Transpose(Experiment):
    """A large matrix with rows a power of two apart, and with rows one cache line farther apart."""

    id = "gpu_memory.transpose"
    unit = "s"
    kind = "at least"
    SMALL = {"largest": 64, "rounds": 1, "calls": 1}
    FINDINGS: ClassVar[tuple[str, ...]] = (
        *("sets-cost", "sets-alike", "sets-gain"),
        *("squares-gain", "squares-alike", "squares-cost"),
        *("some-overlap", "all-overlap", "none-overlap", "overlap-cant-tell"),
        *(*AT_LEAST, "copy-decides", "squares-decide", "cause-cant-tell"),
    )
    largest = LARGEST
    rounds = 5
    calls = 3  # of a turn, of which the shortest counts: a neighbour only adds
    # With the names that the figure has, from the top down.
    WAYS: ClassVar[Mapping[str, str]] = {
        "naive": "naive",
        "naive_apart": "naive, padded rows",
        "blocked": "squares",
        "blocked_apart": "squares, padded rows",
        "copy": "copy",
    }

    def predict(self, passport: Passport) -> Outcome:
        side = self._side(passport.sizes["cpu.dram"])
        rate = passport.bandwidth("copy_nt", "dram")
        by = _copy(side, rate, "a copy past the caches")
        # The naive way comes back to each line of a column of ``out`` after it has been to all the others.
        caches = passport.machine["caches"]
        levels = [*(cache["level"] for cache in caches), "dram"]
        level = levels[memory.level(side * LINE, [cache["bytes"] for cache in caches])]
        moved = 2 * LINE * side**2 / passport.bandwidth("copy", level).value
        waits = side**2 * passport.latency(level).value
        due = by.value
        data = {
            "side": side,
            "level": level,
            "moved": max(due, moved),
            "waits": max(due, waits),
            "due": [
                *([way, due] for way in ("blocked", "blocked_apart", "copy")),
                *(["naive_apart", seconds] for seconds in (max(due, moved), max(due, waits))),
            ],
        }
        return Outcome(by.quantity(self.unit), data, by=by)

    def _side(self, room: int) -> int:
        """Return the largest power of two that leaves room for two squares of floats with so many on a side."""
        side = self.largest
        while side > 32 and 2 * FLOAT * side**2 > room:
            side //= 2
        return side

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.stream import stream
        from lessons.kernels.tools.buffers import aligned
        from lessons.kernels.transpose import transpose

        side = self._side(topology.working_sets(topology.read())["dram"])
        runs: dict[str, Callable[[], object]] = {}
        for name, apart in (("", 0), ("_apart", LINE // FLOAT)):
            x, out = (aligned((side, side + apart), "float32", 1.0)[:, :side] for _ in range(2))
            runs["naive" + name] = partial(transpose, "naive", x, out)
            runs["blocked" + name] = partial(transpose, "blocked", x, out, nontemporal=True)
        a, b = (aligned(side**2 // 2) for _ in range(2))
        runs["copy"] = partial(stream, "copy", a, b, nontemporal=True)
        return self._timed(side, runs, "blocked_apart", progress)

    def _timed(
        self, side: int, runs: Mapping[str, Callable[[], object]], chosen: str, progress: Progress
    ) -> Outcome:
        ordered = {way: runs[way] for way in self.WAYS}
        seconds = in_turns(ordered, self.rounds, least_of=self.calls, device=self.device, progress=progress)
        times = {way: median_interval(found, "s") for way, found in seconds.items()}
        return Outcome(times[chosen], {"side": side, "times": times})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        due, times = prediction.data["due"], result.data["times"]
        ways = list(self.WAYS)[::-1]
        places = list(range(len(ways)))
        for way, seconds in due:
            place = places[ways.index(way)]
            label = "_" if ax.lines else "predicted from the passport"
            figures.predicted(ax, [seconds, seconds], [place - 0.35, place + 0.35], label, linewidth=2)
        found = [times[way] for way in ways]
        spread = [[q.value - q.low for q in found], [q.high - q.value for q in found]]
        blue = figures.COLOURS["blue"]
        ax.errorbar(
            [q.value for q in found],
            places,
            xerr=spread,
            fmt="o",
            color=blue,
            label="measured",
            capsize=2.5,
            ms=7,
        )
        ax.set_yticks(places, [self.WAYS[way] for way in ways])
        self._time_axis(ax.xaxis)
        ax.set_xlabel("time")
        figures.key(figure)

    def _time_axis(self, axis) -> None:
        from matplotlib.ticker import LogLocator

        from lessons import figures

        figures.time_axis(axis, log=True)
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))  # more would not fit beside each other on a phone

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        times, data = result.data["times"], prediction.data
        return {
            **self._shared(prediction, result),
            "apart_bytes": f"{FLOAT * result.data['side'] + LINE:,} bytes",
            "level": NAMES.get(data["level"], data["level"]),
            "line": LINE,
            "waits": format_value(data["waits"], "s"),
            "moved": format_value(data["moved"], "s"),
            "at_once": format_value(data["waits"] / times["naive_apart"].value, "1", 2),
            "sets": format_value(times["naive"].ratio(times["naive_apart"]).value, "1", 2),
            "squares": format_value(times["naive_apart"].ratio(times["blocked_apart"]).value, "1", 2),
        }

    def _shared(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        side, times = result.data["side"], result.data["times"]
        return {
            "side": f"{side:,}",
            "row_bytes": f"{FLOAT * side:,} bytes",
            **{way: format_value(q.value, "s") for way, q in times.items()},
            "of_copy": format_value(_over_copy(result).value, "1", 2),
            "by_way": "; ".join(f"{self.WAYS[w]} {format_value(q.value, 's')}" for w, q in times.items()),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        times, data = result.data["times"], prediction.data
        naive = times["naive_apart"]
        told = {1: "gain", 0: "alike", -1: "cost"}
        if naive.low > data["waits"]:
            overlap = "none-overlap"
        elif naive.high < data["moved"]:
            overlap = "all-overlap"
        else:
            inside = data["moved"] <= naive.low and naive.high <= data["waits"]
            overlap = "some-overlap" if inside else "overlap-cant-tell"
        return [
            f"sets-{told[-differs(times['naive'].ratio(naive))]}",
            overlap,
            f"squares-{told[differs(naive.ratio(times['blocked_apart']))]}",
            *self._judged(prediction, result, "squares-decide"),
        ]

    def _judged(self, prediction: Outcome, result: Outcome, otherwise: str) -> list[str]:
        """Return the verdict, and for a miss whether this run's own copy, in the passport's place, explains it."""
        verdict = self.verdict(prediction, result)
        if verdict != MORE:
            return [verdict]
        with_copy = foreseen(_over_copy(result))
        return [verdict, {AS_FORESEEN: "copy-decides", UNSURE: "cause-cant-tell"}.get(with_copy, otherwise)]


class GpuTranspose(Transpose):
    """The same on a CUDA device: straight through, and by tiles in shared memory with three layouts."""

    id = "gpu_memory.gpu_transpose"
    device = "cuda"
    needs = (needs.CUDA,)
    SMALL = {"largest": 32, "rounds": 1, "calls": 1}
    FINDINGS = (
        *("sectors-cost", "sectors-alike", "sectors-gain"),
        *("banks-cost", "banks-alike", "banks-gain"),
        *("swizzle-gain", "swizzle-alike", "swizzle-cost"),
        *(*AT_LEAST, "copy-decides", "tiles-decide", "cause-cant-tell"),
    )
    WAYS = {
        "naive": "naive",
        "tiled": "tiles",
        "padded": "tiles, padded rows",
        "swizzled": "tiles, XOR swizzle",
        "copy": "copy",
    }

    def predict(self, passport: Passport) -> Outcome:
        side = self.largest
        by = _copy(side, passport.bandwidth("copy", "dram", device="cuda"), "a copy in memory")
        # Each float of a column is written to a sector of its own. If L2 puts them together, memory sees none of it.
        size = FLOAT * side**2
        sectors = (1 + SECTOR // FLOAT) * size / passport.bandwidth("copy", "l2", device="cuda").value
        due = by.value
        marks = [["naive", max(due, sectors)], *([way, due] for way in ("padded", "swizzled", "copy"))]
        data = {"side": side, "naive": max(due, sectors), "due": marks}
        return Outcome(by.quantity(self.unit), data, by=by)

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        from lessons.kernels.stream import stream
        from lessons.kernels.transpose import CUDA, transpose

        x, out = (torch.ones((self.largest, self.largest), device="cuda") for _ in range(2))
        runs: dict[str, Callable[[], object]] = {way: partial(transpose, way, x, out) for way in CUDA}
        runs["copy"] = partial(stream, "copy", *(t.view(-1).view(torch.float64) for t in (out, x)))
        return self._timed(self.largest, runs, "padded", progress)

    def _time_axis(self, axis) -> None:
        from lessons import figures

        figures.time_axis(axis)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        times = result.data["times"]
        return {
            **self._shared(prediction, result),
            "sectors": BANKS,
            "whole_sectors": BANKS * FLOAT // SECTOR,
            "naive_due": format_value(prediction.data["naive"], "s"),
            "turns": gcd(BANKS, BANKS),
            "turns_padded": gcd(BANKS + 1, BANKS),
            "slower": format_value(times["naive"].ratio(times["padded"]).value, "1", 2),
            "banks": format_value(times["tiled"].ratio(times["padded"]).value, "1", 2),
            "swizzle": format_value(times["swizzled"].ratio(times["padded"]).value, "1", 2),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        times = result.data["times"]
        told = {1: "cost", 0: "alike", -1: "gain"}
        ways = {"sectors": "naive", "banks": "tiled", "swizzle": "swizzled"}
        return [
            *(f"{name}-{told[differs(times[way].ratio(times['padded']))]}" for name, way in ways.items()),
            *self._judged(prediction, result, "tiles-decide"),
        ]


def _copy(side: int, rate: Quantity, name: str) -> Derivation:
    size = Quantity(FLOAT * side**2, "B")
    return Derivation(
        "2 * N / R", {"N": Operand("bytes of the matrix", size, "chosen"), "R": Operand(name, rate)}
    )


def _over_copy(result: Outcome) -> Quantity:
    """Return the time of the way that is judged over that of this run's copy."""
    return result.quantity.ratio(result.data["times"]["copy"])
