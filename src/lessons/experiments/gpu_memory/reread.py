"""Read the same bytes again: what a cache answers, and what it does not although it is nearly large enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

from lessons import topology
from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.derivation import Operand
from lessons.experiments.looks import border, measured
from lessons.experiments.ratios import ratio
from lessons.formulas import memory
from lessons.formulas.reread import lru_hit_rate, mixed_rate, random_hit_rate
from lessons.measure import median_interval, time
from lessons.measure.verdict import BAND, JUDGED
from lessons.passport import Passport, needs
from lessons.units import Quantity, format_binary, format_value, percent

TIMES = 8  # readings of one buffer in the wrong measurement
PAGE = 4096


class Reread(Experiment):
    """Read a buffer that no cache holds, and at once again, for buffers of growing size."""

    id = "gpu_memory.reread"
    unit = "1"
    kind = "ratio"
    needs = (needs.CACHES,)
    SMALL = {"limit": 1 << 20, "samples": 3}
    FINDINGS = (*JUDGED, "early", "soft", "cliff", "cliff-cant-tell")
    limit = 1 << 40  # bytes of the largest buffer
    samples = 9

    def predict(self, passport: Passport) -> Outcome:
        levels = passport.levels
        kept = passport.held().value  # of the last cache, whose neighbours may hold the rest
        caches = [min(cache["bytes"], kept) for cache in passport.machine["caches"]]
        rates = [passport.bandwidth("read", level) for level in levels]
        near = rates[memory.level(passport.sizes[f"cpu.{levels[-2]}"], caches)]
        return self._predicted(near, rates[-1], levels[:-1], caches, [rate.value for rate in rates])

    def _predicted(
        self,
        near: Quantity,
        far: Quantity,
        levels: Sequence[str],
        caches: Sequence[float],
        rates: Sequence[float],
    ) -> Outcome:
        operands = {"C": Operand("reads in the cache", near), "R": Operand("reads in memory", far)}
        by, ends = ratio({"again": "C", "first": "R"}, operands, "B/s")
        data = {"levels": list(levels), "caches": list(caches), "rates": list(rates)}
        return Outcome(by.quantity(self.unit), data, by=by, ends=ends)

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.stream.cpu import STEP, kernel
        from lessons.kernels.tools.buffers import aligned

        sets = topology.working_sets(topology.read())
        levels = list(sets)
        size, largest = (min(sets[level], self.limit) for level in levels[-2:])
        sweep = kernel("read")
        buffer, other = aligned(largest // 8), aligned(largest // 8)

        def read(address: int, count: int) -> None:
            sweep(address, address, address, count // STEP * STEP, 0.0)

        def evict() -> None:
            read(other.ctypes.data, largest)
            read(other.ctypes.data, STEP)  # what calls the loop was evicted too, and is not to be timed

        data: dict[str, list] = {"sizes": sizes(sets[levels[min(1, len(levels) - 2)]], size, largest)}
        data |= {"first": [], "again": []}
        for count in data["sizes"]:
            progress(format_binary(count))
            seconds = _twice(partial(read, buffer.ctypes.data, count), evict, self.samples)
            for name, values in zip(("first", "again"), seconds):
                data[name].append(median_interval(values, "s").inverse(count, "B/s"))
        return _outcome(size, data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        p, data = prediction.data, result.data
        caches = _caches(prediction, result)
        for level, end in zip(p["levels"], caches):
            if end < data["sizes"][0]:
                continue
            border(ax, end, level.upper())
        low, high = data["sizes"][0], data["sizes"][-1]
        fine = [low * (high / low) ** (i / 200) for i in range(201)]
        for rule, hits, colour in (("LRU", lru_hit_rate, "orange"), ("random", random_hit_rate, "green")):
            expected = [_rate(size, caches, p["rates"], hits) for size in fine]
            look = {"color": figures.COLOURS[colour]}
            figures.predicted(ax, fine, expected, f"predicted, {rule} replacement", **look)
        measured(ax, data["sizes"], data["again"], label="measured, read again")
        if len(data["first"]) > 1:
            look = {"color": figures.COLOURS["purple"], "marker": "s"}
            measured(ax, data["sizes"], data["first"], label="measured, first reading", **look)
        figures.bytes_axis(ax.xaxis)
        figures.rate_axis(ax.yaxis, "B/s", log=True)
        ax.set_xlabel("buffer")
        ax.set_ylabel("read rate")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        first, again = (result.ends[name].value for name in ("first", "again"))
        apparent = TIMES / (1 / first + (TIMES - 1) / again)
        last = _caches(prediction, result)[-1]
        beyond, far, near = _beyond(prediction, result)
        inside, inside_again = _inside(prediction, result)
        return {
            "size": format_binary(result.data["size"]),
            "gain": format_value(result.quantity.value, "1", 2),
            "due": format_value(prediction.quantity.value, "1", 2),
            "first": format_value(first, "B/s"),
            "again": format_value(again, "B/s"),
            **{
                f"{name}_off": format_value(result.ends[name].value / prediction.ends[name].value, "1", 2)
                for name in ("first", "again")
            },
            "times": TIMES,
            "apparent": format_value(apparent, "B/s"),
            "over": format_value(apparent / first, "1", 2),
            "last": prediction.data["levels"][-1].upper(),
            "kept": format_value(last / 2**20, "MiB", 2),
            "beyond": format_value(beyond / 2**20, "MiB", 2),
            "beyond_gain": format_value(near.value / far.value, "1", 2),
            "random": percent(random_hit_rate(beyond, last)),
            "inside": format_value(inside / 2**20, "MiB", 2),
            "inside_again": format_value(inside_again.value, "B/s"),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        size, far, near = _beyond(prediction, result)
        gain = near.ratio(far)
        soft = "soft" if gain.low > BAND else "cliff" if gain.high < BAND else "cliff-cant-tell"
        return [
            self.verdict(prediction, result),
            *["early"] * _falls_early(prediction, result),
            *[soft] * (size > _caches(prediction, result)[-1]),
        ]


class GpuReread(Reread):
    """The same on a CUDA device, whose L2 is its last cache: ever larger buffers, each read again and again."""

    id = "gpu_memory.gpu_reread"
    device = "cuda"
    needs = (needs.CUDA,)
    SMALL = {"limit": 1 << 14, "samples": 1, "passes": 1}
    samples = 15
    passes = 20  # of one timing: one pass over a cache takes no longer than the launch of its kernel

    def predict(self, passport: Passport) -> Outcome:
        near, far = (passport.bandwidth("read", level, device="cuda") for level in ("l2", "dram"))
        return self._predicted(near, far, ["l2"], [], [near.value, far.value])

    def run(self, progress: Progress = SILENT) -> Outcome:
        import torch

        from lessons.kernels.stream import stream
        from lessons.passport.cuda import working_sets

        l2, most = (min(size, self.limit) for size in working_sets().values())
        cache = 4 * l2  # the probe's working set is a quarter of it
        buffer = torch.ones(most // 8, dtype=torch.float64, device="cuda")
        data: dict[str, list] = {"sizes": sizes(l2, l2, min(4 * cache, most)), "again": []}
        for count in [*data["sizes"], most]:
            progress(format_binary(count))
            part = buffer[: count // 8]
            passes = 1 if count == most else self.passes
            timing = time(
                lambda: stream("read", part, part, repeats=passes),
                warmup=3,
                samples=self.samples,
                device="cuda",
            )
            data["again"].append(timing.rate(8 * len(part) * passes, "B/s"))
        data["first"] = [data["again"].pop()]
        return _outcome(l2, {**data, "caches": [cache]})


def sizes(least: int, marked: int, largest: int) -> list[int]:
    """Return buffers from ``least`` to ``largest`` bytes, each the square root of 2 times the last, and ``marked``."""
    found, size = {marked, largest}, float(min(least, largest))
    while size < largest:
        found.add(int(size) // PAGE * PAGE)
        size *= 2**0.5
    return sorted(found)


def _twice(
    read: Callable[[], None], evict: Callable[[], None], samples: int
) -> tuple[list[float], list[float]]:
    """Return the seconds of ``read`` after ``evict``, and of ``read`` after that."""
    first, again = [], []
    read()
    for _ in range(samples):
        evict()
        began = perf_counter()
        read()
        between = perf_counter()
        read()
        again.append(perf_counter() - between)
        first.append(between - began)
    return first, again


def _outcome(size: int, data: dict[str, list]) -> Outcome:
    """Return the result of buffers, the one of ``size`` bytes compared; one first reading stands for all."""
    place = data["sizes"].index(size)
    ends = {"again": data["again"][place], "first": data["first"][min(place, len(data["first"]) - 1)]}
    return Outcome(ends["again"].ratio(ends["first"]), {**data, "size": size}, ends=ends)


def _caches(prediction: Outcome, result: Outcome) -> list[float]:
    """Return the bytes of each cache: what the passport knows, or else what the device told."""
    return prediction.data["caches"] or result.data["caches"]


def _beyond(prediction: Outcome, result: Outcome) -> tuple[int, Quantity, Quantity]:
    """Return the first buffer larger than the last cache, or the last one, with its rates read first and again."""
    data, last = result.data, _caches(prediction, result)[-1]
    place = next((i for i, size in enumerate(data["sizes"]) if size > last), len(data["sizes"]) - 1)
    return data["sizes"][place], data["first"][min(place, len(data["first"]) - 1)], data["again"][place]


def _inside(prediction: Outcome, result: Outcome) -> tuple[int, Quantity]:
    """Return the largest buffer that the last cache should hold, or the compared one, and its rate read again."""
    data, last = result.data, _caches(prediction, result)[-1]
    place = max(i for i, size in enumerate(data["sizes"]) if size <= max(last, data["size"]))
    return data["sizes"][place], data["again"][place]


def _falls_early(prediction: Outcome, result: Outcome) -> bool:
    """Tell whether that buffer is surely read slower than the compared one, by more than the band."""
    return _inside(prediction, result)[1].high < result.ends["again"].low / BAND


def _rate(
    size: float, caches: Sequence[float], rates: Sequence[float], hits: Callable[[float, float], float]
) -> float:
    """Return the B/s of reading again: from the first cache that holds the buffer, or from the last one and memory."""
    place = memory.level(size, caches)
    if place < len(caches):
        return rates[place]
    return mixed_rate(hits(size, caches[-1]), rates[-2], rates[-1])
