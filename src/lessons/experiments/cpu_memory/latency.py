"""Walk rings of growing size: each load waits for the one before."""

from __future__ import annotations

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.cpu_memory.curves import (
    SYSTEM,
    caches,
    dram_bytes,
    draw_curve,
    kept,
    sizes_up_to,
)
from lessons.experiments.derivation import Derivation, Operand
from lessons.formulas import memory
from lessons.measure import time
from lessons.measure.verdict import FORESEEN, within
from lessons.passport import Passport
from lessons.units import MiB, Quantity, format_binary, format_value


class LatencyStaircase(Experiment):
    """Follow pointers through rings of growing size: each load waits for the one before."""

    id = "cpu_memory.latency"
    unit = "s"
    SMALL = {"limit": 1 << 20}
    FINDINGS = ("slice", *FORESEEN)
    limit = 1 << 40  # bytes of the largest ring

    def predict(self, passport: Passport) -> Outcome:
        sizes = sizes_up_to(passport.sizes["cpu.dram"] // 2, 4)
        ends, levels = caches(passport), passport.levels
        latencies = {level: passport.latency(level) for level in levels}
        seconds = [q.value for q in latencies.values()]
        ours = kept(passport)
        held = [cache.value for cache in ours]
        expected = [memory.chase_latency(s, held, seconds) for s in sizes]
        by = _mixed(sizes[-1], ours, latencies)
        # The curve's last point mixes the last cache and memory; the passport's spread goes with it.
        value = latencies["dram"].scaled(by.value / seconds[-1])
        data = {"sizes": sizes, "seconds": expected, "caches": ends, "held": held, "levels": levels}
        return Outcome(value, data, Quantity(memory.chase_latency(sizes[-1], ends, seconds), "s"), by)

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels.chase import chase, ring, walker

        seconds: list[Quantity] = []
        sizes = sizes_up_to(dram_bytes(2, self.limit), 4)
        steps = 1 << 15
        for size in sizes:
            progress(format_binary(size))
            links = ring(size)
            chase(links, min(size // 64, 1 << 21) // 16 * 16)
            seconds.append(time(walker(links, steps), samples=11).median().scaled(1 / steps))
        return Outcome(seconds[-1], {"sizes": sizes, "seconds": seconds})

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        (ax,) = figure.axes
        draw_curve(ax, prediction, result, "seconds")
        figures.time_axis(ax.yaxis, log=True)
        ax.set_ylabel("time of one load")

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        first = result.data["seconds"][0].value
        return {
            "first": format_value(first, "s"),
            "factor": f"{result.quantity.value / first:.0f}",
            "reported": format_binary(max(prediction.data["caches"], default=0)),
            "kept": format_value(max(prediction.data["held"], default=0) / MiB, "MiB", 2),
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        kept, reported = (max(prediction.data[name], default=1) for name in ("held", "caches"))
        found = [] if within(kept / reported) else ["slice"]
        return [*found, self.verdict(prediction, result)]


def _mixed(ring: int, held: list[Quantity], latencies: dict[str, Quantity]) -> Derivation:
    """Return ``memory.chase_latency`` of one ring as a sum over memory and the last two caches that it overflows.

    A still nearer cache answers so few loads of a large ring that they are counted with the next.
    """
    inside = [(name, cache) for name, cache in zip(latencies, held) if cache.value < ring]
    beyond = list(latencies)[len(inside)]
    loads = {name: Operand(f"a load from {name.upper()}", q) for name, q in latencies.items()}
    sizes = {
        name: Operand(f"{name.upper()}, kept by one thread", cache)
        if cache.source
        else Operand(f"bytes of {name.upper()}", cache, SYSTEM)
        for name, cache in inside
    }
    whole = Operand("bytes of the ring", Quantity(ring, "B"), "chosen")
    match [name for name, _ in inside[-2:]]:
        case [near, last]:
            return Derivation(
                "(B * t + (C - B) * u + (W - C) * m) / W",
                {
                    **{"B": sizes[near], "t": loads[near], "C": sizes[last], "u": loads[last]},
                    **{"W": whole, "m": loads[beyond]},
                },
            )
        case [last]:
            return Derivation(
                "(C * u + (W - C) * m) / W",
                {"C": sizes[last], "u": loads[last], "W": whole, "m": loads[beyond]},
            )
    return Derivation("m", {"m": loads[beyond]})
