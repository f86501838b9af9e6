"""Prefill and decoding as a drawing: how many rows share one reading of the weights."""

from __future__ import annotations

from typing import Any

from lessons.experiments.text import diagram_text


def draw() -> Any:
    """Return the picture."""
    from lessons.figures import blocks, render

    said = diagram_text("inference_vs_training")
    figure, (left, right) = blocks.sheet(2, 3.0)
    for ax, title, rows, words in (
        (left, said["prefill"], 6, said["rows"]),
        (right, said["decode"], 1, said["row"]),
    ):
        blocks.note(ax, (2.05, 0.15), title)
        for i in range(rows):
            blocks.box(ax, (0.3, 1.37 + 0.26 * (i - rows / 2)), (0.9, 0.24), "", "green")
        blocks.note(ax, (0.75, 0.45), "tokens")
        blocks.arrow(ax, (1.25, 1.35), (1.6, 1.35))
        blocks.box(ax, (1.6, 0.6), (1.4, 1.54), "weights", "sky")
        blocks.note(ax, (2.3, 0.45), "read once")
        blocks.arrow(ax, (3.0, 1.35), (3.3, 1.35))
        for i in range(6 if rows > 1 else 7):
            new = i >= (0 if rows > 1 else 6)
            look: dict[str, Any] = {"colour": "orange", "hatch": "//"} if new else {"colour": "orange"}
            blocks.box(ax, (3.3, 0.6 + 0.22 * i), (0.55, 0.2), "", **look)
        blocks.note(ax, (3.55, 0.45), "KV cache")
        blocks.note(ax, (2.05, 2.4), words)
        blocks.note(ax, (2.05, 2.7), said["hatched"])
    return render(figure, said["alt"], "inference_vs_training.diagram")
