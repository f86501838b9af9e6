"""Steps of a service as a drawing: a prompt computed whole, and in chunks beside the rows that decode."""

from __future__ import annotations

from typing import Any

from lessons.experiments.text import diagram_text

ROWS = ("A", "B", "C")
TALL, GAP = 0.3, 0.06


def draw() -> Any:
    """Return the picture."""
    from lessons.figures import blocks, render

    said = diagram_text("batching")
    figure, axes = blocks.sheet(2, 2.9)
    plans = {
        said["whole"]: (0.45, 0.45, 2.2, 0.45),
        said["chunks"]: (0.45, 0.95, 0.95, 0.95),
    }
    for ax, (title, widths), chunks in zip(axes, plans.items(), ((0, 0, 1, 0), (0, 1, 2, 3)), strict=True):
        blocks.note(ax, (2.05, 0.15), title)
        left = 0.35
        for i, row in enumerate((*ROWS, "D")):
            blocks.note(ax, (0.2, 0.6 + i * (TALL + GAP)), row)
        for width, chunk in zip(widths, chunks):
            whole = width > 2
            for i in range(len(ROWS)):
                y = 0.45 + i * (TALL + GAP)
                if not whole:
                    blocks.box(ax, (left, y), (width, TALL), "1", "green")
                else:
                    blocks.box(ax, (left, y), (width, TALL), "waits", dashed=True)
            y = 0.45 + 3 * (TALL + GAP)
            if chunk:
                words = "1,000 tokens" if whole else "chunk"
                blocks.box(ax, (left, y), (width, TALL), words, "orange", hatch="//")
            left += width + GAP
        blocks.arrow(ax, (0.35, 2.05), (3.95, 2.05))
        blocks.note(ax, (2.05, 2.25), said["time"])
        blocks.note(ax, (2.05, 2.6), said["row"])
    return render(figure, said["alt"], "batching.diagram")
