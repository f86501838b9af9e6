"""A quantised block as a drawing: weights on their way to levels, and the bits that are kept."""

from __future__ import annotations

from typing import Any

from lessons.experiments.text import diagram_text

WEIGHTS = (-0.62, -0.31, -0.05, 0.12, 0.27, 0.48, 0.7)
LEVELS = 7  # on each side of zero


def draw() -> Any:
    """Return the picture."""
    from lessons.figures import COLOURS, blocks, render
    from lessons.figures.style import FOREGROUND

    said = diagram_text("quantization")
    figure, (left, right) = blocks.sheet(2, 2.6)
    scale = max(map(abs, WEIGHTS)) / LEVELS
    place = lambda value: 2.05 + 2.6 * value  # noqa: E731
    blocks.note(left, (2.05, 0.15), said["rounding"])
    blocks.note(left, (2.05, 0.5), "weights")
    blocks.note(left, (2.05, 2.05), "levels: scale × (−7 … 7)")
    for code in range(-LEVELS, LEVELS + 1):
        x = place(code * scale)
        left.plot([x, x], [1.55, 1.8], color=FOREGROUND, lw=1)
    for weight in WEIGHTS:
        level = round(weight / scale) * scale
        left.plot([place(weight)], [0.8], "o", color=COLOURS["blue"])
        blocks.arrow(left, (place(weight), 0.88), (place(level), 1.5))
    blocks.note(left, (2.05, 2.4), said["largest"])
    blocks.note(right, (2.05, 0.15), said["kept"])
    blocks.box(right, (0.3, 0.55), (1.1, 0.45), "scale, 16 bits", "orange", hatch="//")
    for i in range(16):
        blocks.box(right, (0.3 + 0.22 * i, 1.15), (0.2, 0.3), "", "sky")
        blocks.box(right, (0.3 + 0.22 * i, 1.5), (0.2, 0.3), "", "sky")
    blocks.note(right, (2.05, 2.05), "32 codes, 4 bits each")
    blocks.note(right, (2.05, 2.4), said["sum"])
    return render(figure, said["alt"], "quantization.diagram")
