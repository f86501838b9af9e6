"""The memory levels of five cards: what each holds, what it delivers, and how long a load waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lessons import datasheets
from lessons.experiments.text import FOLDER, fill, sections
from lessons.units import format_binary, format_bytes, format_value, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lessons.datasheets import Accelerator, GpuLevels, Multiprocessor
    from lessons.figures import Picture

CARDS = {
    "A100": "a100_sxm_80gb",
    "H100": "h100_sxm",
    "H200": "h200_sxm",
    "B200": "b200_sxm",
    "4090": "rtx_4090",
}
DRAWN = ("registers", "L1 + shared", "L2", "memory")
OPERANDS = 3 * 4  # bytes that a fused multiply-add in float32 reads from registers


class Level(NamedTuple):
    """One level of one card.

    Attributes:
        name: "registers", "L1 + shared", "tensor memory", "L2" or "memory".
        per_sm: bytes of each SM; None for what all SMs share.
        total: bytes of the card.
        per_clock: bytes per SM and clock; None where it is not counted so.
        low, high: B/s of the card, all SMs together. Where they differ, they are the ends of what was published. None
            where nothing was.
        origin: "derived" from ``per_clock`` and the clock, "printed" by the maker, or "measured".
        waits: where it was measured how long a load waits, with the card's own measurement first.
    """

    name: str
    per_sm: int | None
    total: float
    per_clock: int | None
    low: float | None
    high: float | None
    origin: str
    waits: tuple[Wait, ...]


class Wait(NamedTuple):
    """How long a load waits for a level, by one tool on one GPU.

    Attributes:
        cycles: of the core's clock.
        measured: by what, on what, and at which clock.
    """

    cycles: float
    measured: GpuLevels

    @property
    def seconds(self) -> float | None:
        """The same in seconds; None where the clock is not known."""
        return self.cycles / self.measured.clock if self.measured.clock else None


def clock(card: Accelerator, sm: Multiprocessor) -> float:
    """Return the clock in Hz at which a card reaches its printed 16-bit matrix rate.

    Raises:
        ValueError: when the card has no such rate or no count of its SMs.
    """
    if not card.bf16 or not card.cores:
        raise ValueError(
            f"{card.key} has no 16-bit matrix rate or no count of SMs; choose a card that has both"
        )
    return card.bf16 / (card.cores * sm.matrix_rate)


def register_bytes(sm: Multiprocessor) -> int:
    """Return the bytes of one SM's register file: its registers have 32 bits."""
    return 4 * datasheets.gpu_limits(sm.capability).registers


def levels(name: str) -> list[Level]:
    """Return the levels of a card, nearest to the arithmetic first.

    Args:
        name: a key of the accelerators whose SM is in the table, such as "h100_sxm".

    Raises:
        LessonError: for another one.
    """
    card, sm = datasheets.accelerator(name), datasheets.multiprocessor_of(name)
    cores, hertz = card.cores or 0, clock(card, sm)

    def of_each_sm(level: str, size: int, per_clock: int | None, waits: tuple[Wait, ...] = ()) -> Level:
        rate = cores * per_clock * hertz if per_clock else None
        return Level(level, size, cores * size, per_clock, rate, rate, "derived" if rate else "", waits)

    rates = [m.l2_read for m in _measured(card, sm) if m.l2_read and card.key in m.cards]
    low, high = (min(rates), max(rates)) if rates else (None, None)
    l2_bytes = (card.l2_bytes or 0) * card.l2_count
    found = [
        of_each_sm("registers", register_bytes(sm), sm.lanes * OPERANDS),
        of_each_sm("L1 + shared", sm.l1_bytes, sm.l1_rate, _waits(card, sm, "l1")),
        of_each_sm("tensor memory", sm.tensor_bytes or 0, None),
        Level("L2", None, l2_bytes, None, low, high, "measured" if rates else "", _waits(card, sm, "l2")),
        Level(
            "memory", None, card.memory_bytes, None, card.bandwidth, card.bandwidth, "printed",
            _waits(card, sm, "memory", own=True),
        ),
    ]  # fmt: skip
    return [level for level in found if level.total]


COLUMNS = ["level", "per SM", "in total", "B per SM and clock", "bandwidth", "a load waits", "measured on"]


def rows(name: str) -> list[tuple[str, ...]]:
    """Return the levels of a card as rows of text under ``COLUMNS``; arguments and errors as for ``levels``."""
    return [
        (
            level.name,
            format_binary(level.per_sm) if level.per_sm else "",
            format_bytes(level.total),
            f"{level.per_clock:,}" if level.per_clock else "",
            _rate(level),
            _cycles(level.waits[0]) if level.waits else "",
            _of(level.waits[0].measured) if level.waits else "",
        )
        for level in levels(name)
    ]


CARD_COLUMNS = [
    "card",
    "SMs",
    "registers",
    "L1 + shared",
    "of it shared",
    "tensor memory",
    "L2",
    "memory",
    "bandwidth",
]


def card_rows() -> list[tuple[str, ...]]:
    """Return the cards side by side as rows of text under ``CARD_COLUMNS``; the first sizes are those of one SM."""
    found: list[tuple[str, ...]] = []
    for name in CARDS.values():
        card, sm = datasheets.accelerator(name), datasheets.multiprocessor_of(name)
        found.append(
            (
                _plain(card.name),
                str(card.cores),
                format_binary(register_bytes(sm)),
                format_binary(sm.l1_bytes),
                format_binary(card.shared_bytes or 0),
                format_binary(sm.tensor_bytes) if sm.tensor_bytes else "none",
                format_binary(card.l2_bytes or 0),
                format_bytes(card.memory_bytes),
                format_value(card.bandwidth, "B/s"),
            )
        )
    return found


WAIT_COLUMNS = [
    "GPU",
    "tool",
    "method",
    "clock",
    "shared",
    "L1",
    "L2",
    "far L2",
    "memory",
    "in time",
    "L2 : memory",
]


def wait_rows() -> list[tuple[str, ...]]:
    """Return every measurement as a row of text under ``WAIT_COLUMNS``: cycles, and the ratio of two bandwidths."""
    return [
        (
            _plain(m.device),
            m.tool,
            m.method,
            f"{m.clock / 1e9:.4g} GHz" if m.clock else "",
            *(f"{cycles:.0f}" if cycles else "" for cycles in (m.shared, m.l1, m.l2, m.l2_far, m.memory)),
            format_value(m.memory / m.clock, "s") if m.memory and m.clock else "",
            format_value(m.l2_read / m.memory_read, "1", 2) if m.l2_read and m.memory_read else "",
        )
        for m in _all()
    ]


def told() -> str:
    """Return, as Markdown, what is surprising in the tables; every number in it is computed from them."""
    h100 = {level.name: level for level in levels(CARDS["H100"])}
    on_sms = {
        short: sum(level.total for level in levels(key) if level.per_sm) for short, key in CARDS.items()
    }
    l2 = {short: datasheets.accelerator(key).l2_bytes or 0 for short, key in CARDS.items()}
    larger = [short for short in CARDS if on_sms[short] > l2[short]]
    chase = datasheets.gpu_levels("h100_pcie_gpu_benches")
    assert chase.memory and chase.l1 and chase.l2 and chase.l2_far and chase.clock
    ratios = sorted((m.l2_read / m.memory_read, _of(m)) for m in _all() if m.l2_read and m.memory_read)
    methods = sorted((m.memory, m.tool) for m in _all() if m.memory and "h100_sxm" in m.cards)
    memory, registers, near = h100["memory"], h100["registers"], h100["L1 + shared"]
    assert memory.high and registers.high and near.high
    same, newer = (datasheets.accelerator(CARDS[short]) for short in ("H100", "H200"))
    facts = {
        "sms": same.cores,
        "registers": format_bytes(registers.total),
        "per_sm": format_binary(registers.per_sm or 0),
        "l1": format_bytes(near.total),
        "both": format_bytes(on_sms["H100"]),
        "l2": format_bytes(l2["H100"]),
        "larger": ", ".join(larger),
        "smaller": ", ".join(short for short in CARDS if short not in larger),
        "chip": percent((on_sms["H100"] + l2["H100"]) / memory.total),
        "register_rate": format_value(registers.high, "B/s"),
        "register_ratio": format_value(registers.high / memory.high, "1", 2),
        "l1_rate": format_value(near.high, "B/s"),
        "l1_ratio": format_value(near.high / memory.high, "1", 2),
        "low_ratio": format_value(ratios[0][0], "1", 2),
        "low_of": ratios[0][1],
        "high_ratio": format_value(ratios[-1][0], "1", 2),
        "high_of": ratios[-1][1],
        "device": _plain(chase.device),
        "l1_cycles": f"{chase.l1:.0f}",
        "memory_cycles": f"{chase.memory:.0f}",
        "wait_ratio": f"{chase.memory / chase.l1:.0f}",
        "memory_time": format_value(chase.memory / chase.clock, "s"),
        "near": f"{chase.l2:.0f}",
        "far": f"{chase.l2_far:.0f}",
        "far_ratio": format_value(chase.l2_far / chase.l2, "1", 2),
        "fewest": f"{methods[0][0]:.0f}",
        "fewest_tool": methods[0][1],
        "most": f"{methods[-1][0]:.0f}",
        "most_tool": methods[-1][1],
        "older_l2": format_binary(l2["H100"]),
        "newer_l2": format_binary(l2["H200"]),
        "older_rate": format_value(same.bandwidth, "B/s"),
        "newer_rate": format_value(newer.bandwidth, "B/s"),
        "rate_ratio": format_value(newer.bandwidth / same.bandwidth, "1", 3),
    }
    return fill(sections(FOLDER / "gpu_memory" / "text.md")["levels"]["text"], facts)


def picture() -> Picture:
    """Return two charts of the cards, level by level: what is on the chip in total, and bandwidth."""
    from lessons import figures

    found = {short: {level.name: level for level in levels(key)} for short, key in CARDS.items()}
    figure, (size, rate) = figures.new(panels=(1, 2))
    held, read = {}, {}
    with figures.style():
        for i, (name, colour) in enumerate(zip(DRAWN, figures.COLOURS.values())):
            # Beside each other, since some are equal.
            of_cards = [(place + 0.13 * (i - 1), card[name]) for place, card in enumerate(found.values())]
            if name != "memory":
                held[name] = _joined(size, [(x, level.total) for x, level in of_cards], colour)
            if name == "L2":
                ends = [[(x, end) for end in (level.low, level.high) if end] for x, level in of_cards]
                over = [_joined(rate, pair, colour) for pair in ends if pair][-1]
                rate.annotate(name, over, (0, 8), textcoords="offset points", ha="center")
            else:
                read[name] = _joined(rate, [(x, level.high or 0) for x, level in of_cards], colour)
        for ax in (size, rate):
            ax.set_xticks(range(len(found)), list(found))
            ax.set_xlim(-0.5, len(found) - 0.5)
            ax.set_xlabel("card")
        size.set_title("on the chip, all SMs together")
        rate.set_title("bandwidth, all SMs together")
        size.set_ylabel("capacity")
        rate.set_ylabel("bandwidth (logarithmic)")
        figures.rate_axis(size.yaxis, "B")
        figures.rate_axis(rate.yaxis, "B/s", log=True)
        figures.name_lines(size, held)
        figures.name_lines(rate, read)
        figures.key(figure)
    spoken = [
        f"{short}: "
        + ", ".join(
            f"{level.name} {format_bytes(level.total)}" + (f" at {_rate(level)}" if level.high else "")
            for level in card.values()
        )
        for short, card in found.items()
    ]
    said = " ".join(sections(FOLDER / "gpu_memory" / "text.md")["levels"]["alt"].split())
    return figures.render(figure, fill(said, {"levels": "; ".join(spoken)}), "gpu_memory.levels")


def _joined(ax: Axes, points: list[tuple[float, float]], colour: str) -> tuple[float, float]:
    """Draw published points with a thin line through them, and return the last."""
    from lessons import figures

    x, y = [x for x, _ in points], [y for _, y in points]
    figures.published(ax, x, y, "published, or derived from it", color=colour)
    ax.plot(x, y, **figures.guide(dotted=True))
    return points[-1]


def _all() -> list[GpuLevels]:
    return list(datasheets.table("gpu_levels").values())


def _measured(card: Accelerator, sm: Multiprocessor) -> list[GpuLevels]:
    """Return the measurements on this kind of SM, those of the card itself first, and of these with a known clock."""
    found = [m for m in _all() if m.multiprocessor == sm.key]
    return sorted(found, key=lambda m: (card.key not in m.cards, m.method == "first loads", m.clock is None))


def _waits(card: Accelerator, sm: Multiprocessor, field: str, own: bool = False) -> tuple[Wait, ...]:
    """Return the waits for a level; with ``own``, of this card alone: cards of one SM differ in their memory."""
    found = [m for m in _measured(card, sm) if getattr(m, field) and (card.key in m.cards or not own)]
    return tuple(Wait(getattr(m, field), m) for m in found)


def _rate(level: Level) -> str:
    if level.low is None or level.high is None:
        return ""
    low, high = format_value(level.low, "B/s"), format_value(level.high, "B/s")
    return f"{high}, {level.origin}" if low == high else f"{low} to {high}, {level.origin}"


def _cycles(wait: Wait) -> str:
    time = f", {format_value(wait.seconds, 's')}" if wait.seconds else ""
    return f"{wait.cycles:.0f} cycles{time}"


def _of(measured: GpuLevels) -> str:
    return f"{_plain(measured.device)}, {measured.tool}"


def _plain(name: str) -> str:
    return name.removeprefix("NVIDIA ").removeprefix("GeForce ")
