"""How many warps an SM must hold to keep its share of memory busy, and how many its registers allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lessons import datasheets
from lessons.experiments import text
from lessons.formulas import little
from lessons.formulas.occupancy import occupancy
from lessons.formulas.warp import LANES
from lessons.units import format_value, percent

if TYPE_CHECKING:
    from lessons.datasheets import Accelerator
    from lessons.figures import Picture

CARD, CAPABILITY = "h100_sxm", "9.0"
CLOCK = 1.755e9  # Hz: the boost clock of an H100 PCIe
UNLOADED = (
    650 / CLOCK
)  # seconds of a load that finds the memory idle: 650 cycles, near luo2025hopper's 656 of an H800
LOADED = 500e-9  # seconds under load: a round number of this book's
THREADS = 128  # of a block
OTHERS = 16  # registers of a thread for its addresses and its loop: a round number of this book's
WAYS = ((1, 4), (4, 4), (4, 16))  # independent loads of a thread, and bytes of each


class Need(NamedTuple):
    """What a way of loading asks of an SM.

    Attributes:
        loads: independent loads that each thread has in flight.
        itemsize: bytes of each of them.
        warps: warps that the SM needs.
        registers: of a thread: what the loads land in, and ``OTHERS``.
        held: warps that the SM holds at so many registers.
    """

    loads: int
    itemsize: int
    warps: int
    registers: int
    held: int

    @property
    def in_flight(self) -> int:
        """Bytes that one thread has in flight."""
        return self.loads * self.itemsize

    @property
    def enough(self) -> bool:
        """Whether the SM holds as many warps as it needs."""
        return self.held >= self.warps


def need(
    loads: int,
    itemsize: int,
    latency: float = UNLOADED,
    card: Accelerator | None = None,
    capability: str = CAPABILITY,
    others: int = OTHERS,
    threads: int = THREADS,
) -> Need:
    """Return what a way of loading asks of an SM, and what its registers allow.

    Args:
        loads: independent loads of a thread.
        itemsize: bytes of each: 4, 8 or 16.
        latency: seconds of a load.
        card: whose bandwidth and SMs count; an H100 SXM when left out.
        capability: its compute capability.
        others: registers of a thread beside those that its loads land in.
        threads: of a block.

    Raises:
        ValueError: for loads that a thread has no registers for, and for what cannot be.
        LessonError: for a card whose SMs are not in the table.
    """
    bandwidth, processors = _card(card)
    registers = others + -(-loads * itemsize // 4)
    return Need(
        loads,
        itemsize,
        little.warps(bandwidth, latency, processors, loads, itemsize),
        registers,
        occupancy(datasheets.gpu_limits(capability), threads, registers).warps,
    )


def table(latency: float = UNLOADED) -> str:
    """Return the ways of loading as Markdown: loads, bytes, warps needed and held, and the occupancy needed."""
    most = datasheets.gpu_limits(CAPABILITY).warps
    heads = (
        "loads per thread",
        "bytes in flight per thread",
        "warps needed",
        "occupancy needed",
        "warps held",
    )
    lines: list[list[object]] = [list(heads)]
    for loads, itemsize in ((1, 4), (1, 8), (1, 16), (4, 4), (2, 16), (4, 16), (8, 16)):
        found = need(loads, itemsize, latency)
        share = percent(found.warps / most) if found.enough else "out of reach"
        lines.append([f"{loads} x {itemsize} B", found.in_flight, found.warps, share, found.held])
    return text.rows(lines)


def picture() -> Picture:
    """Return a chart of the warps that an SM of an H100 needs and holds, by the bytes that a thread has in flight."""
    from lessons import figures

    bandwidth, processors = _card(None)
    limits = datasheets.gpu_limits(CAPABILITY)
    places = [2 ** (1.5 + i / 16) for i in range(16 * 8)]  # bytes: 3 to 700
    curves = {
        latency: [little.per_processor(bandwidth, latency, processors) / (LANES * b) for b in places]
        for latency in (UNLOADED, LOADED)
    }
    held = [_held(b) for b in places]
    figure, (ax,) = figures.new()
    with figures.style():
        for latency, colour in ((UNLOADED, "vermilion"), (LOADED, "purple")):
            figures.predicted(
                ax,
                places,
                curves[latency],
                f"predicted: needed at {format_value(latency, 's')} per load",
                color=figures.COLOURS[colour],
            )
        figures.predicted(
            ax,
            places,
            held,
            "predicted: held, by registers",
            color=figures.COLOURS["blue"],
            drawstyle="steps-post",
        )
        inside = [low <= high for low, high in zip(curves[UNLOADED], held)]
        ax.fill_between(
            places,
            curves[UNLOADED],
            held,
            where=inside,
            color=figures.COLOURS["blue"],
            alpha=0.12,
            linewidth=0,
        )
        ax.set_xscale("log", base=2)
        ax.set_yscale("log", base=2)
        for axis, ticks in ((ax.xaxis, (4, 16, 64, 256)), (ax.yaxis, (1, 4, 16, 64))):
            axis.set_ticks(ticks, [f"{tick}" for tick in ticks])
        ax.set(xlim=(places[0], 512), ylim=(1, 2 * limits.warps))
        ax.set_xlabel("bytes in flight per thread")
        ax.set_ylabel("warps per SM")
        ways = {f"{loads} x {itemsize} B": need(loads, itemsize) for loads, itemsize in WAYS}
        points = {name: (found.in_flight, found.warps) for name, found in ways.items()}
        for x, y in points.values():
            figures.predicted(ax, [x], [y], "_a way of loading", marker="+", markersize=10, markeredgewidth=2)
        figures.name_points(ax, points)
        figures.key(figure)
    facts = {
        "share": format_value(little.per_processor(bandwidth, UNLOADED, processors), "B"),
        "most": limits.warps,
        "ways": ", ".join(f"{found.warps} for {name}" for name, found in ways.items()),
    }
    said = text.sections(text.FOLDER / "gpu_memory" / "text.md")["need"]
    return figures.render(figure, text.fill(" ".join(said["alt"].split()), facts), "gpu_memory.need")


def _card(card: Accelerator | None) -> tuple[float, int]:
    from lessons.errors import LessonError

    card = card or datasheets.accelerator(CARD)
    if card.cores is None:
        raise LessonError(f"the table has no SMs of {card.name}; give another card")
    return card.bandwidth, card.cores


def _held(in_flight: float) -> int:
    """Return the warps that an SM holds where each thread has so many bytes in flight."""
    limits = datasheets.gpu_limits(CAPABILITY)
    registers = min(OTHERS + int(-(-in_flight // 4)), limits.registers_per_thread)
    return occupancy(limits, THREADS, registers).warps
