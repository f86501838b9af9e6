"""Draft and verify as a drawing: guesses one after another, then one pass over all of them."""

from __future__ import annotations

from typing import Any

from lessons.experiments.text import diagram_text

SAID = ("the", "cat")
GUESSES = ("sat", "on", "a", "mat")
JUDGED = ("sat", "on", "the")


def draw() -> Any:
    """Return the picture."""
    from lessons.figures import blocks, render

    said = diagram_text("speculative")
    figure, (left, right) = blocks.sheet(2, 2.7)
    wide, tall, step = 0.58, 0.36, 0.64
    blocks.note(left, (2.05, 0.15), said["draft"])
    for i, word in enumerate((*SAID, *GUESSES)):
        known = i < len(SAID)
        blocks.box(
            left, (0.15 + i * step, 0.7), (wide, tall), word, "green" if known else None, dashed=not known
        )
    for i in range(len(GUESSES)):
        x = 0.15 + (i + 1.5) * step
        blocks.arrow(left, (x, 1.5), (x + step * 0.7, 1.1))
        blocks.note(left, (x, 1.65), f"{i + 1}")
    blocks.note(left, (2.05, 2.1), said["runs"])
    blocks.note(right, (2.05, 0.15), said["verify"])
    for i, word in enumerate((*SAID[1:], *GUESSES)):
        blocks.box(
            right, (0.45 + i * step, 0.55), (wide, tall), word, "green" if i == 0 else None, dashed=i > 0
        )
        blocks.arrow(right, (0.45 + i * step + wide / 2, 0.94), (0.45 + i * step + wide / 2, 1.25))
    blocks.box(right, (0.3, 1.25), (3.5, 0.4), said["model"], "sky")
    for i, word in enumerate(JUDGED):
        kept = word == GUESSES[i]
        look: dict[str, Any] = {"colour": "green"} if kept else {"colour": "orange", "hatch": "//"}
        blocks.arrow(right, (0.45 + i * step + wide / 2, 1.65), (0.45 + i * step + wide / 2, 1.92))
        blocks.box(right, (0.45 + i * step, 1.92), (wide, tall), word, **look)
    blocks.note(right, (2.5, 2.1), said["rest"], align="left")
    blocks.note(right, (2.05, 2.52), said["own"])
    return render(figure, said["alt"], "speculative.diagram")
