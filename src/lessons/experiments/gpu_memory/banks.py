"""Bank conflicts, counted: the cycles in which shared memory serves a warp, phase by phase."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from lessons.experiments.base import SILENT, Experiment, Outcome, Progress
from lessons.experiments.gpu_memory import counting
from lessons.experiments.text import rows
from lessons.formulas import warp
from lessons.measure.verdict import COUNTED
from lessons.units import Quantity


class Pattern(NamedTuple):
    """How a warp reads a tile, and the closed form of the cycles.

    Attributes:
        name: in ``lessons.kernels.patterns``.
        label: a few words for a table.
        cycles: of all its reads, by ``warp.column_cycles`` or by the sentence beside it.
        least: cycles without a conflict: one for each 128 bytes that are asked for.
    """

    name: str
    label: str
    cycles: int
    least: int


column = warp.column_cycles

GROUPS: dict[str, tuple[str, list[Pattern]]] = {
    "S": (
        "reads of 32 bits, lanes evenly apart",
        [
            # A stride is the column of a tile with that pitch.
            Pattern("tile stride 1", "32 bits, stride 1", column(1), 1),
            Pattern("tile stride 2", "32 bits, stride 2", column(2), 1),
            Pattern("tile stride 3", "32 bits, stride 3", column(3), 1),
            Pattern("tile stride 16", "32 bits, stride 16", column(16), 1),
            Pattern("tile column 32", "32-bit column, pitch 32", column(32), 1),
            Pattern("tile column 33", "32-bit column, pitch 33", column(33), 1),
        ],
    ),
    "W": (
        "other reads of 32 bits",
        [
            # XOR with the row is a permutation of the banks.
            Pattern("tile column swizzled", "32-bit column, swizzled", 1, 1),
            Pattern("tile broadcast", "32 bits, one word for all", 1, 1),
            # One bank has both words, and gives one of them per cycle.
            Pattern("tile two words", "32 bits, two words of one bank", 2, 1),
        ],
    ),
    "D": (
        "reads of 64 bits",
        [
            # What lies in order is the column of a tile whose rows hold one vector.
            Pattern("tile pairs", "64 bits, in order", column(2, 2), 2),
            Pattern("tile pair column 32", "64-bit column, pitch 32", column(32, 2), 2),
            Pattern("tile pair column 34", "64-bit column, pitch 34", column(34, 2), 2),
        ],
    ),
    "Q": (
        "reads of 128 bits",
        [
            Pattern("tile fours", "128 bits, in order", column(4, 4), 4),
            Pattern("tile four column 32", "128-bit column, pitch 32", column(32, 4), 4),
            Pattern("tile four column 36", "128-bit column, pitch 36", column(36, 4), 4),
            Pattern("tile four column 40", "128-bit column, pitch 40", column(40, 4), 4),
            # XOR with the row permutes the eight vectors of a row, and a phase has eight rows.
            Pattern("tile four column swizzled", "128-bit column, swizzled", 4 * 1, 4),
            # Each phase goes down one column of eight rows.
            Pattern("tile four 8 x 4 32", "128 bits, 8 rows x 4, pitch 32", column(32, 4), 4),
            Pattern("tile four 8 x 4 36", "128 bits, 8 rows x 4, pitch 36", column(36, 4), 4),
        ],
    ),
    "P": (
        "128 bits as four reads of 32, pitch 33",
        [Pattern("tile four words 33", "4 reads of 32 bits, pitch 33", 4 * column(33), 4)],
    ),
}
PATTERNS = [pattern for _, group in GROUPS.values() for pattern in group]

# What the figure shows: the words that one read touches, each in its bank. Lanes of a phase share a mark.
MAPS = (
    "tile column 32",
    "tile four column 32",
    "tile column 33",
    "tile four column 36",
    "tile column swizzled",
    "tile four column swizzled",
)
PANEL_HEIGHT = 2.7  # inches


class Banks(Experiment):
    """Closed forms of the cycles of a warp's reads, against the log of Numba's CUDA simulator."""

    id = "gpu_memory.banks"
    unit = "1"
    kind = "count"
    panels = (3, 2)
    FINDINGS = (*COUNTED, "patterns-agree", "patterns-differ")

    def predict(self, passport) -> Outcome:
        return counting.total(GROUPS, "cycles")

    def run(self, progress: Progress = SILENT) -> Outcome:
        from lessons.kernels import patterns

        progress("Numba's CUDA simulator")
        log = patterns.log()
        reads = {
            p.name: [a for a in log[p.name].accesses if a.kind == "read" and a.array == "shared"]
            for p in PATTERNS
        }
        cycles = {
            name: sum(warp.bank_cycles(a.addresses, a.width) for a in found) for name, found in reads.items()
        }
        maps = {name: list(reads[name][0].addresses) for name in MAPS}
        whole = {
            name: sum(_over_the_warp(a.addresses, a.width) for a in found) for name, found in reads.items()
        }
        data = {
            "cycles": cycles,
            "whole": whole,
            "maps": maps,
            "widths": {name: reads[name][0].width for name in MAPS},
        }
        return Outcome(Quantity(sum(cycles.values()), "1"), data)

    def draw(self, prediction: Outcome, result: Outcome, figure) -> None:
        from lessons import figures

        due, counted = prediction.data["cycles"], result.data["cycles"]
        labels = {p.name: p.label for p in PATTERNS}
        looks = list(zip(figures.MARKS, ("blue", "orange", "green", "purple", "sky")))
        figure.set_figheight(PANEL_HEIGHT * self.panels[0])
        for ax, name in zip(figure.axes, MAPS):
            addresses, width = result.data["maps"][name], result.data["widths"][name]
            lanes = warp.phase_lanes(width)
            phases = warp.LANES // lanes
            for phase, (mark, colour) in zip(range(phases), looks if phases == 1 else looks[1:]):
                words = [
                    (a + byte) // warp.WORD
                    for a in addresses[phase * lanes : (phase + 1) * lanes]
                    for byte in range(0, width, warp.WORD)
                ]
                figures.measured(
                    ax, [w % warp.BANKS for w in words], [w // warp.BANKS for w in words],
                    label=_lanes(phase, lanes), linestyle="none", marker=mark, ms=5, color=figures.COLOURS[colour],
                )  # fmt: skip
            ax.set_title(f"{labels[name]}\ncycles: predicted {due[name]}, counted {counted[name]}")
            ax.set_xlim(-1, warp.BANKS)
            ax.set_ylim(36, -1)
            ax.set_xticks([0, 8, 16, 24, 31])
            ax.set_xlabel("bank")
            ax.set_ylabel("line of 128 bytes")
        figures.key(figure)

    def facts(self, prediction: Outcome, result: Outcome) -> dict[str, object]:
        due, counted, whole = prediction.data["cycles"], result.data["cycles"], result.data["whole"]
        table: list[list[object]] = [
            ["read of a tile", "cycles predicted", "cycles counted", "without a conflict", "one phase"]
        ]
        table += [[p.label, due[p.name], counted[p.name], p.least, whole[p.name]] for p in PATTERNS]
        return {
            "patterns": len(PATTERNS),
            "table": rows(table),
            "differ": ", ".join(p.label for p in PATTERNS if due[p.name] != counted[p.name]),
            "words": counted["tile column 32"],
            "words_padded": counted["tile column 33"],
            "words_swizzled": counted["tile column swizzled"],
            "fours": counted["tile fours"],
            "four_column": counted["tile four column 32"],
            "four_padded": counted["tile four column 36"],
            "four_badly_padded": counted["tile four column 40"],
            "four_swizzled": counted["tile four column swizzled"],
            "down_columns": counted["tile four 8 x 4 32"],
            "whole_warp": whole["tile four 8 x 4 32"],
            "one_by_one": counted["tile four words 33"],
        }

    def findings(self, prediction: Outcome, result: Outcome) -> list[str]:
        return [self.verdict(prediction, result), counting.agreement(prediction, result, "cycles")]


def _over_the_warp(addresses: warp.Addresses, width: int) -> int:
    """Return the most different words of a bank over all lanes, as if there were one phase: the usual mistake."""
    words = {
        (a + byte) // warp.WORD for a in addresses if a is not None for byte in range(0, width, warp.WORD)
    }
    return max(Counter(word % warp.BANKS for word in words).values())


def _lanes(phase: int, lanes: int) -> str:
    return f"lanes {phase * lanes} to {(phase + 1) * lanes - 1}"
