"""The experiments of the chapter on CPU memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress, Unavailable
from lessons.experiments.loading import DataLoaderWorkers, LoadWeights, PinnedTransfer
from lessons.formulas import memory
from lessons.measure import compare, time
from lessons.passport import Passport
from lessons.units import KiB, Quantity, format_binary, format_value


def _caches(passport: Passport) -> list[int]:
    return [c["bytes"] for c in passport.machine["caches"]]


def _sizes(largest: int, step: int = 2) -> list[int]:
    """Return working sets from 8 KiB to ``largest``, each ``step`` times the one before, and ``largest``."""
    sizes = [8 * KiB]
    while sizes[-1] * step < largest:
        sizes.append(sizes[-1] * step)
    return [*sizes, largest]


def _dram_bytes(share: int = 1) -> int:
    """Return the working set that stands for memory on this machine, or a part of it."""
    from lessons import topology
    from lessons.passport.measuring import working_sets

    return working_sets(topology.read())["dram"] // share


class BandwidthStaircase(Experiment):
    """Read arrays of growing size again and again: the rate falls in steps."""

    id = "cpu_memory.bandwidth"
    title = "read bandwidth at the largest working set"
    unit = "B/s"
    question = "How many bytes a second can one thread read once its array fits in no cache?"

    def predict(self, passport: Passport) -> Outcome:
        # Both sides of each cache's end, so that the line steps down exactly there.
        ends = {end for cache in _caches(passport) for end in (cache, cache + 1)}
        sizes = sorted({*_sizes(passport.sizes["cpu.dram"]), *ends})
        levels = passport.levels
        rates = [passport.bandwidth("read", level).value for level in levels]
        expected = [rates[min(memory.level(s, _caches(passport)), len(rates) - 1)] for s in sizes]
        return Outcome(
            passport.bandwidth("read", "dram"),
            {"sizes": sizes, "rates": expected, "caches": _caches(passport), "levels": levels},
        )

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.stream import stream
        from lessons.kernels.tools.buffers import aligned

        sizes = _sizes(_dram_bytes())
        array = aligned(sizes[-1] // 8)
        rates: list[Quantity] = []
        for size in sizes:
            progress(format_binary(size))
            part = array[: size // 8 // 64 * 64]
            repeats = max(1, (64 << 20) // size)
            timing = time(
                lambda: stream("read", part, part, repeats=repeats), samples=9 if size < 1 << 28 else 5
            )
            rates.append(timing.rate(part.nbytes * repeats, "B/s"))
        return Outcome(rates[-1], _curve(sizes, rates, "rates"))

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        _draw_curve(ax, prediction, result, "rates")
        figures.rate_axis(ax.yaxis, "B/s", log=True)
        ax.set_ylabel("read bandwidth, 1 thread")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Read bandwidth of one thread against the size of the array. It falls in steps where the array "
            f"outgrows a cache, from {format_value(max(result.data['rates']), 'B/s')} in the first level "
            f"to {result.quantity} in memory."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        top, bottom = max(result.data["rates"]), result.quantity.value
        text = (
            f"Between the first level and memory lies a factor of **{top / bottom:.0f}**. The dashed steps stand "
            "where the caches end. The measured curve comes down *before* each step: other data lives in the "
            "caches too, and an array of exactly the cache's size has no room for anything else."
        )
        if _falls_late(prediction, result):
            return text + (
                " After the last cache it comes down late: the system reports a large shared last level, and "
                "sweeping it with one thread still finds part of the data there."
            )
        return text


class LatencyStaircase(Experiment):
    """Follow pointers through rings of growing size: each load waits for the one before."""

    id = "cpu_memory.latency"
    title = "latency of one dependent load at the largest ring"
    unit = "s"
    question = "How long does one load take when its line is in no cache?"

    def predict(self, passport: Passport) -> Outcome:
        sizes = _sizes(passport.sizes["cpu.dram"] // 2, 4)
        caches, levels = _caches(passport), passport.levels
        latencies = [passport.latency(level).value for level in levels]
        expected = [memory.chase_latency(s, caches, latencies) for s in sizes]
        # The curve's last point mixes the last cache and memory; the passport's spread goes with it.
        value = passport.latency("dram").scaled(expected[-1] / latencies[-1])
        return Outcome(value, {"sizes": sizes, "seconds": expected, "caches": caches, "levels": levels})

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.chase import chase, ring, walker

        seconds: list[Quantity] = []
        sizes = _sizes(_dram_bytes(2), 4)
        steps = 1 << 15
        for size in sizes:
            progress(format_binary(size))
            links = ring(size)
            chase(links, min(size // 64, 1 << 21) // 16 * 16)
            seconds.append(time(walker(links, steps), samples=11).median().scaled(1 / steps))
        return Outcome(seconds[-1], _curve(sizes, seconds, "seconds"))

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        _draw_curve(ax, prediction, result, "seconds")
        figures.time_axis(ax.yaxis, log=True)
        ax.set_ylabel("time of one load")

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        first = format_value(result.data["seconds"][0], "s")
        return (
            "Time of one dependent load against the size of the ring it walks. It rises in steps from "
            f"{first} in the first level to {result.quantity} at the largest ring."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        factor = result.quantity.value / result.data["seconds"][0]
        lines = (
            f"A load from memory takes **{factor:.0f} times** as long as one from the first level. "
            "The treads are rounded, because a random ring of twice the cache's size still finds half its lines "
            "there."
        )
        crowded = _crowded(prediction, result)
        if crowded > 2:
            lines += (
                f" Inside the last cache a load took up to {crowded:.1f} times as long as the passport and the sizes "
                "foretell. That cache is shared, here with strangers too: what they hold of it is not ours, and so "
                "the climb to memory begins early."
            )
        if result.quantity.ratio(prediction.quantity).low > 1.1:
            return lines + (
                " The measured end lies above the prediction: a random walk over this much memory also misses "
                "the table of recent page addresses (TLB), which the formula leaves out, and less of the ring sits "
                "in the last cache than the formula takes for granted."
            )
        if result.quantity.ratio(prediction.quantity).high < 0.9:
            return lines + (
                " The measured end lies below the prediction: the passport measured memory when it was busier, "
                "or more of the ring sits in the shared cache than its size promises."
            )
        return lines + " At the largest ring, formula and measurement agree within their spread and a tenth."


class WriteAllocate(Experiment):
    """Copy an array with normal stores and with stores that go past the caches."""

    id = "cpu_memory.write_allocate"
    title = "speed-up of a copy by non-temporal stores"
    unit = "1"
    question = "How much faster is a large copy whose stores do not first read the line that they overwrite?"

    def predict(self, passport: Passport) -> Outcome:
        factors = {"copy": memory.write_allocate_factor(1, 1), "triad": memory.write_allocate_factor(2, 1)}
        return Outcome(Quantity(factors["copy"], "1"), factors)

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.stream import TRAFFIC, stream
        from lessons.kernels.tools.buffers import aligned

        found = {}
        arrays = [aligned(_dram_bytes(6) // 8 // 64 * 64, fill=1.0) for _ in range(3)]
        for kind in ("copy", "triad"):
            progress(kind)
            a, b, c = arrays if sum(TRAFFIC[kind]) == 3 else (arrays[0], arrays[1], arrays[1])
            result = compare(
                lambda: stream(kind, a, b, c, nontemporal=True), lambda: stream(kind, a, b, c), rounds=7
            )
            found[kind] = result.ratio
        data = {kind: [q.value, q.low, q.high] for kind, q in found.items()}
        return Outcome(found["copy"], data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures
        from lessons.figures.style import FOREGROUND

        (ax,) = figure.axes
        kinds = ["copy", "triad"]
        figures.predicted(
            ax, kinds, [prediction.data[k] for k in kinds], linestyle="none", marker="_", ms=30, mew=3
        )
        values, low, high = ([result.data[k][i] for k in kinds] for i in range(3))
        figures.measured(ax, kinds, values, low, high, linestyle="none")
        ax.axhline(1, color=FOREGROUND, lw=0.8)
        ax.set_xlim(-0.6, 1.6)
        ax.set_ylim(0.8, 1.9)
        ax.set_ylabel("speed-up by non-temporal stores")
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        parts = [
            f"{k}: predicted {prediction.data[k]:.2f}, measured {result.data[k][0]:.2f}" for k in result.data
        ]
        return "Speed-up by non-temporal stores. " + "; ".join(parts) + "."

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        ratio = result.quantity
        if ratio.high < 1.05:
            return (
                "Here the two copies take the same time. Either this processor notices that whole lines are being "
                "overwritten and leaves the read out by itself, or the target has no such store."
            )
        if ratio.low > 1.6:
            return (
                f"The gain, **{ratio.value:.2f}**, is larger than the traffic explains. The read that a normal "
                "store makes also takes a place in the short list of lines that may be under way; without it, "
                "more of the useful reads fit."
            )
        return (
            f"A copy names two bytes and moves three; leaving the third out gives **{ratio.value:.2f}** of the "
            "promised 1.50. This is why a bandwidth without the words *non-temporal* or *write-allocate* beside "
            "it cannot be compared with another."
        )


class Independent(Experiment):
    """Walk several rings at once: the same loads, but now they need not wait for each other."""

    id = "cpu_memory.independent"
    title = "speed-up of 16 independent walks over one"
    unit = "1"
    question = "How much faster are random loads when 16 of them do not depend on each other?"
    WALKS = (1, 2, 4, 8, 16)

    def predict(self, passport: Passport) -> Outcome:
        flight = memory.bytes_in_flight(
            passport.bandwidth("read", "dram").value, passport.latency("dram").value
        )
        limit = flight / 64
        return Outcome(
            Quantity(min(self.WALKS[-1], max(1.0, limit)), "1"),
            {
                "walks": list(self.WALKS),
                "speedup": [min(w, max(1.0, limit)) for w in self.WALKS],
                "limit": limit,
            },
        )

    def run(self, progress: Progress = SILENT) -> Outcome:
        import numpy as np

        from lessons.kernels.chase import chase_many, ring

        links = ring(_dram_bytes(2))
        lines = len(links) // 8
        per_load: list[Quantity] = []
        for walks in self.WALKS:
            progress(f"{walks} walks")
            starts = np.linspace(0, lines, walks, endpoint=False).astype(np.int64) * 8
            steps = (1 << 15) // walks
            timing = time(lambda: chase_many(links, steps, starts), samples=11)
            per_load.append(timing.median().scaled(1 / (steps * walks)))
        speedups = [per_load[0].ratio(q) for q in per_load]
        return Outcome(speedups[-1], {"walks": list(self.WALKS), **_spread(speedups, "speedup")})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        x = result.data["walks"]
        figures.predicted(ax, x, prediction.data["speedup"], "Little's law on the passport")
        figures.measured(
            ax, x, result.data["speedup"], result.data["speedup_low"], result.data["speedup_high"]
        )
        ax.set_xlabel("independent walks")
        ax.set_ylabel("loads a second, times one walk")
        ax.set_ylim(bottom=0)
        ax.legend()

    def alt(self, prediction: Outcome, result: Outcome) -> str:
        return (
            "Speed-up against the number of independent random walks, from 1 to 16. Measured "
            f"{result.quantity.value:.1f} with 16 walks, predicted {prediction.quantity.value:.1f}."
        )

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        text = (
            f"By Little's law the passport's bandwidth and latency mean that **{prediction.data['limit']:.0f} lines** "
            "are under way when one thread streams. Sixteen walks give the processor sixteen loads to overlap, and "
            f"it made **{result.quantity.value:.1f} times** as many a second. "
        )
        if result.quantity.high > 2 * result.quantity.low:
            return text + (
                f"But the interval reaches from {result.quantity.low:.1f} to {result.quantity.high:.1f}: something "
                "else used the memory in some of the walks, and this run can't tell. Run it again on a quiet machine."
            )
        if result.quantity.value < 0.75 * prediction.quantity.value:
            return text + (
                "That is less than streaming promised: a stream is helped by prefetchers, which fetch lines nobody "
                "has asked for yet, and a random walk gives them nothing to go by."
            )
        return text + (
            "So the textbook's line that random access is so many times slower than sequential access has no fixed "
            "number. What counts is whether the next address is known."
        )


class Numa(Experiment):
    """Touch memory on one node and read it from another."""

    id = "cpu_memory.numa"
    title = "latency of remote over local memory"
    unit = "1"
    question = "How much longer does a load take from another NUMA node's memory?"

    def predict(self, passport: Passport) -> Outcome:
        nodes = passport.machine["nodes"]
        if len([n for n in nodes if n["cpus"]]) < 2:
            raise Unavailable(
                "this machine shows one NUMA node, so that no memory is remote; run it on a two-socket server"
            )
        # The firmware's distance table is all a system tells beforehand: 10 is local.
        return Outcome(Quantity(nodes[0]["distances"][nodes[1]["id"]] / 10, "1"))

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons import topology
        from lessons.kernels.chase import ring, walker

        nodes = [n for n in topology.read().nodes if n.cpus]
        if len(nodes) < 2:
            raise Unavailable("this machine shows one NUMA node, so that no memory is remote")
        seconds = []
        for home in (nodes[0], nodes[1]):
            with _running_on(home.cpus):  # pages belong to the node whose processor touches them first
                links = ring(256 << 20)
            with _running_on(nodes[0].cpus):
                seconds.append(time(walker(links, 1 << 15), samples=11).median())
        return Outcome(seconds[1].ratio(seconds[0]), {"local": seconds[0].value, "remote": seconds[1].value})

    panels = None

    def explain(self, prediction: Outcome, result: Outcome) -> str:
        return (
            f"The firmware's table says {prediction.quantity.value:.1f}, the walk says {result.quantity.value:.2f}. "
            "The table is a hint for the scheduler, not a measurement."
        )


@contextmanager
def _running_on(cpus: tuple[int, ...]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cpus) & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _curve(sizes: list[int], quantities: list[Quantity], name: str) -> dict:
    return {"sizes": sizes, **_spread(quantities, name)}


def _spread(quantities: list[Quantity], name: str) -> dict:
    return {
        name: [q.value for q in quantities],
        f"{name}_low": [q.low for q in quantities],
        f"{name}_high": [q.high for q in quantities],
    }


def _draw_curve(ax, prediction: Outcome, result: Outcome, name: str) -> None:
    from lessons import figures
    from lessons.figures.style import FOREGROUND

    for level, size in zip(prediction.data["levels"], prediction.data["caches"]):
        ax.axvline(size, color=FOREGROUND, lw=0.8, ls=":")
        ax.annotate(
            level.upper(),
            (size, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-3, -12),
            textcoords="offset points",
            ha="right",
        )
    figures.predicted(ax, prediction.data["sizes"], prediction.data[name], "predicted from the passport")
    data = result.data
    figures.measured(ax, data["sizes"], data[name], data[f"{name}_low"], data[f"{name}_high"])
    figures.bytes_axis(ax.xaxis)
    ax.set_xlabel("working set")
    ax.legend(
        loc="lower left" if name == "rates" else "upper left",
        bbox_to_anchor=(0, 0.12 if name == "rates" else 0.88),
    )


def _falls_late(prediction: Outcome, result: Outcome) -> bool:
    """Tell whether the first size beyond the last cache still reads a third faster than memory."""
    last = max(prediction.data["caches"], default=0)
    beyond = [r for s, r in zip(result.data["sizes"], result.data["rates"]) if s > last]
    return bool(beyond) and beyond[0] > 1.33 * result.quantity.value


def _crowded(prediction: Outcome, result: Outcome) -> float:
    """Return the largest measured over predicted latency among the rings that should fit in a shared last cache."""
    caches = prediction.data["caches"]
    expected = dict(zip(prediction.data["sizes"], prediction.data["seconds"]))
    inside = [
        seconds / expected[size]
        for size, seconds in zip(result.data.get("sizes", []), result.data["seconds"])
        if size in expected and len(caches) > 1 and 2 * caches[-2] < size <= caches[-1] // 2
    ]
    return max(inside, default=1.0)


bandwidth = BandwidthStaircase()
latency = LatencyStaircase()
write_allocate = WriteAllocate()
independent = Independent()
numa = Numa()
loader = DataLoaderWorkers()
weights = LoadWeights()
pinned = PinnedTransfer()

EXPERIMENTS: list[Experiment] = [
    bandwidth,
    latency,
    write_allocate,
    independent,
    numa,
    loader,
    weights,
    pinned,
]
