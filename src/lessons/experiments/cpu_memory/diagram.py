"""The memory hierarchy as a drawing, with this machine's sizes and times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lessons.experiments.text import diagram_text, fill
from lessons.units import format_binary, format_bytes, format_value

if TYPE_CHECKING:
    from lessons.passport import Passport

NAMES = {"dram": "memory"}
TALL, STEP = 0.42, 0.62


def draw(passport: Passport) -> Any:
    """Return the picture.

    Args:
        passport: whose sizes, latencies and bandwidths of one thread are written beside the levels.
    """
    from lessons.figures import blocks, render

    levels = passport.levels
    figure, (left, right) = blocks.sheet(2, 0.9 + STEP * (len(levels) + 1))
    blocks.note(left, (2.05, 0.15), "Nearer the core: smaller")
    blocks.box(left, (1.8, 0.4), (0.5, TALL), "core")
    blocks.note(right, (0.1, 0.15), "level", align="left")
    blocks.note(right, (2.35, 0.15), "one load waits", align="right")
    blocks.note(right, (4.0, 0.15), "long reads", align="right")
    told = []
    for i, level in enumerate(levels):
        y, half = 0.4 + STEP * (i + 1), 0.45 + 1.4 * (i + 1) / len(levels)
        name = NAMES.get(level, level.upper())
        cache = passport.cache_bytes(level)
        size = format_binary(cache) if cache else format_bytes(passport.machine["memory"])
        wait, rate = passport.latency(level), passport.bandwidth("read", level)
        blocks.arrow(left, (2.05, y - (STEP - TALL)), (2.05, y))
        blocks.box(left, (2.05 - half, y), (2 * half, TALL), f"{name}, {size}", "sky" if cache else "orange")
        texts = [format_value(q.value, q.unit) for q in (wait, rate)]
        for x, text, align in ((0.1, name, "left"), (2.35, texts[0], "right"), (4.0, texts[1], "right")):
            blocks.note(right, (x, y + TALL / 2), text, align=align)
        told.append(f"{name} {size}, {texts[0]}, {texts[1]}")
    return render(
        figure, fill(diagram_text("cpu_memory")["alt"], {"levels": "; ".join(told)}), "cpu_memory.diagram"
    )
