"""Coalescing, counted: the 32-byte sectors that a warp's reads touch, pattern by pattern."""

from __future__ import annotations

from typing import NamedTuple

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.gpu_memory import counting
from lessons.experiments.text import rows
from lessons.formulas import warp
from lessons.measure.verdict import COUNTED
from lessons.units import Quantity, percent


class Pattern(NamedTuple):
    """How a warp reads, and the closed form of what that touches.

    Attributes:
        name: in ``lessons.kernels.patterns``.
        label: a few words for a figure.
        sectors: of all its reads, worked out by ``warp.stride_sectors`` or by the sentence beside it.
        useful: bytes that some lane asks for, each counted once.
    """

    name: str
    label: str
    sectors: int
    useful: int

    @property
    def ideal(self) -> int:
        """The least sectors that hold the useful bytes."""
        return -(-self.useful // warp.SECTOR)


along = warp.stride_sectors
WORDS = 32 * 4  # bytes that a warp asks for with 4 per lane

# What each operand of the prediction adds up. A lane reads 4 bytes where nothing else is said.
GROUPS: dict[str, tuple[str, list[Pattern]]] = {
    "S": (
        "reads of 4 bytes, lanes evenly apart",
        [
            Pattern("stride 1", "in order", along(4, 4), WORDS),
            Pattern("stride 2", "stride 2", along(8, 4), WORDS),
            Pattern("stride 3", "stride 3", along(12, 4), WORDS),
            Pattern("stride 8", "stride 8", along(32, 4), WORDS),
            Pattern("stride 32", "stride 32", along(128, 4), WORDS),
            Pattern("column", "column, 64 wide", along(256, 4), WORDS),
            Pattern("broadcast", "one word for all", along(0, 4), 4),
        ],
    ),
    "A": (
        "reads in another order or place",
        [
            Pattern("shifted 1", "one word later", along(4, 4, 4), WORDS),
            Pattern("shifted 8", "eight words later", along(4, 4, 32), WORDS),
            # The order of the lanes does not matter, and the table of their places is read in order as well.
            Pattern("backwards", "backwards", along(4, 4), WORDS),
            Pattern("shuffled", "shuffled, by table", along(4, 4) + along(4, 4), 2 * WORDS),
            # Each lane has a sector of its own.
            Pattern("scattered", "scattered, by table", 32 + along(4, 4), 2 * WORDS),
        ],
    ),
    "F": (
        "reads of four fields",
        [
            # Four reads, and each has the stride of a struct.
            Pattern("struct fields", "array of structs", 4 * along(16, 4), 4 * WORDS),
            Pattern("array fields", "struct of arrays", 4 * along(4, 4), 4 * WORDS),
        ],
    ),
    "W": (
        "reads of another width, in order",
        [
            Pattern("int8", "int8", along(1, 1), 32),
            Pattern("float16", "float16", along(2, 2), 64),
            Pattern("float64", "float64", along(8, 8), 256),
            Pattern("vectors 1", "float4", along(16, 16), 512),
        ],
    ),
    "V": (
        "reads of 128 bits with gaps",
        [
            Pattern("vectors 2", "float4, stride 2", along(32, 16), 512),
            Pattern("vector column", "float4, column", along(256, 16), 512),
            # Sixteen rows, and in each the two lanes of a pair share a sector.
            Pattern("vector pairs", "float4, two per row", 16 * 1, 512),
        ],
    ),
}
PATTERNS = [pattern for _, group in GROUPS.values() for pattern in group]
PANELS = (("S", "A"), ("F", "W", "V"))


class Sectors(Experiment):
    """Closed forms of the sectors of a warp's reads, against the log of Numba's CUDA simulator."""

    id = "gpu_memory.sectors"
    unit = "1"
    kind = "count"
    panels = (1, 2)
    FINDINGS = (*COUNTED, "patterns-agree", "patterns-differ")

    def predict(self, passport) -> Outcome:
        return counting.total(GROUPS, "sectors")

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels import patterns

        progress("Numba's CUDA simulator")
        log = patterns.log()
        reads = {p.name: [a for a in log[p.name].accesses if a.kind == "read"] for p in PATTERNS}
        sectors = {
            name: sum(warp.sectors(a.addresses, a.width) for a in found) for name, found in reads.items()
        }
        lines = {name: sum(warp.lines(a.addresses, a.width) for a in found) for name, found in reads.items()}
        data = {"sectors": sectors, "lines": lines}
        return Outcome(Quantity(sum(sectors.values()), "1"), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        due, counted = prediction.data["sectors"], result.data["sectors"]
        for ax, symbols in zip(figure.axes, PANELS):
            shown = [p for symbol in symbols for p in GROUPS[symbol][1]]
            places = range(len(shown))
            figures.bars(
                ax, places, [due[p.name] for p in shown], "predicted",
                predicted=True, lying=True, width=0.8, colour="vermilion",
            )  # fmt: skip
            figures.bars(
                ax, places, [counted[p.name] for p in shown], "counted in the log", lying=True, width=0.4
            )
            for place, p in zip(places, shown):
                ax.vlines([p.ideal], place - 0.45, place + 0.45, label="least for the bytes", **_thin())
            ax.set_yticks(places, [p.label for p in shown])
            ax.invert_yaxis()
            ax.set_xlabel("32-byte sectors")
            ax.grid(False, axis="y")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        due, counted, lines = prediction.data["sectors"], result.data["sectors"], result.data["lines"]
        table: list[list[object]] = [
            ["read", "sectors predicted", "sectors counted", "lines counted", "bytes used"]
        ]
        for p in PATTERNS:
            used = percent(p.useful / (counted[p.name] * warp.SECTOR), 3)
            table.append([p.label, due[p.name], counted[p.name], lines[p.name], used])
        return {
            "patterns": len(PATTERNS),
            "table": rows(table),
            "differ": ", ".join(p.label for p in PATTERNS if due[p.name] != counted[p.name]),
            "in_order": counted["stride 1"],
            "stride_8": counted["stride 8"],
            "stride_32": counted["stride 32"],
            "shifted": counted["shifted 1"],
            "later": counted["shifted 8"],
            "later_lines": lines["shifted 8"],
            "structs": counted["struct fields"],
            "arrays": counted["array fields"],
            "vectors": counted["vectors 1"],
            "vector_column": counted["vector column"],
            "vector_pairs": counted["vector pairs"],
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        return [self.verdict(prediction, result), counting.agreement(prediction, result, "sectors")]


def _thin() -> dict[str, object]:
    from lessons import figures

    look = figures.guide()
    return {"colors": look["color"], "linewidth": look["linewidth"], "zorder": 4}
