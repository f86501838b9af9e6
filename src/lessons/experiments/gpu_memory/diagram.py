"""The levels of a GPU's memory, and the way of one load through them, as a drawing."""

from __future__ import annotations

from typing import Any

from lessons import datasheets
from lessons.experiments.gpu_memory.levels import register_bytes
from lessons.experiments.text import diagram_text, fill
from lessons.formulas.warp import LANES, SECTOR, WORD
from lessons.units import format_binary, format_bytes

CARD, CHASE = "h100_sxm", "h100_pcie_gpu_benches"
STACK = 1024  # pins of a stack of HBM
STEPS, STEP, TALL = 7, 0.66, 0.46


def draw() -> Any:
    """Return the picture."""
    from lessons.figures import blocks, render

    facts = _facts()
    said = {key: fill(passage, facts) for key, passage in diagram_text("gpu_memory").items()}
    figure, (left, right) = blocks.sheet(2, 0.5 + STEPS * STEP)

    blocks.note(left, (2.05, 0.15), said["levels"])
    blocks.box(left, (0.1, 0.4), (3.9, 1.62))
    blocks.note(left, (2.05, 0.58), said["sm"])
    blocks.box(left, (0.25, 0.76), (1.5, TALL), said["warps"])
    blocks.box(left, (2.05, 0.76), (1.8, TALL), said["registers"], "sky")
    blocks.box(left, (0.25, 1.44), (3.6, TALL), said["l1"], "sky", hatch="..")
    blocks.arrow(left, (2.05, 0.99), (1.75, 0.99))
    blocks.arrow(left, (2.95, 1.44), (2.95, 0.76 + TALL))
    blocks.note(left, (2.05, 2.24), said["l2"])
    blocks.box(left, (0.1, 2.46), (1.7, TALL), said["near"], "green")
    blocks.box(left, (2.3, 2.46), (1.7, TALL), said["far"], "green", hatch="//")
    blocks.arrow(left, (0.6, 2.46), (0.6, 2.02))
    blocks.arrow(left, (2.3, 2.69), (1.8, 2.69), dashed=True)
    stacks = int(facts["stacks"])
    wide = 3.9 / stacks
    for i in range(stacks):
        blocks.box(left, (0.1 + i * wide + 0.04, 3.3), (wide - 0.08, TALL), "HBM", "orange")
    blocks.arrow(left, (0.6, 3.3), (0.6, 2.46 + TALL))
    blocks.arrow(left, (3.5, 3.3), (3.5, 2.46 + TALL))
    blocks.note(left, (2.05, 3.94), said["stacks"])
    blocks.box(left, (0.1, 4.5), (3.9, TALL), said["host"], dashed=True)
    blocks.arrow(left, (2.05, 4.5), (2.05, 4.1), dashed=True)

    blocks.note(right, (2.05, 0.15), said["load"])
    for i in range(STEPS):
        y = 0.4 + i * STEP
        if i:
            blocks.arrow(right, (0.35, y - STEP + TALL), (0.35, y))
        blocks.box(right, (0.1, y), (0.5, TALL), str(i + 1))
        what, cost = said[f"step {i + 1}"].split("\n")
        blocks.note(right, (0.75, y + 0.1), what, align="left")
        blocks.note(right, (0.75, y + 0.34), cost, align="left")
    return render(figure, said["alt"], "gpu_memory.diagram")


def _facts() -> dict[str, str]:
    card, sm = datasheets.accelerator(CARD), datasheets.multiprocessor_of(CARD)
    chase = datasheets.gpu_levels(CHASE)
    return {
        "sms": f"{card.cores}",
        "registers": format_binary(register_bytes(sm)),
        "l1": format_binary(sm.l1_bytes),
        "l2": format_binary(card.l2_bytes or 0),
        "memory": format_bytes(card.memory_printed, 2),
        "stacks": f"{(card.pins or 0) // STACK}",
        "device": chase.device.removeprefix("NVIDIA "),
        "sector": f"{SECTOR} bytes",
        "few": f"{LANES * WORD // SECTOR}",
        "many": f"{LANES}",
        "near_l1": f"{chase.l1:.0f}",
        "near": f"{chase.l2:.0f}",
        "far": f"{chase.l2_far:.0f}",
        "far_memory": f"{chase.memory:.0f}",
    }
