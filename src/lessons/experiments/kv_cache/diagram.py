"""The block table as a drawing: two sequences share blocks, until one of them writes."""

from __future__ import annotations

from typing import Any

from lessons.experiments.text import diagram_text

A, B = "A", "B"
STATES = {  # each sequence's table, and what the blocks of the pool hold
    "fork": ({A: (3, 0, 4), B: (3, 0, 4)}, {0: 2, 1: 0, 2: 0, 3: 2, 4: 2}),
    "write": ({A: (3, 0, 4), B: (3, 0, 1)}, {0: 2, 1: 1, 2: 0, 3: 2, 4: 1}),
}
ROW, WIDTH = 0.42, 0.95


def draw() -> Any:
    """Return the picture."""
    from lessons.figures import blocks, render

    said = diagram_text("kv_cache")
    figure, axes = blocks.sheet(2, 3.6)
    for ax, (key, (tables, counts)) in zip(axes, STATES.items()):
        blocks.note(ax, (2.05, 0.15), said[key])
        blocks.note(ax, (0.55, 0.5), "block tables")
        blocks.note(ax, (3.1, 0.5), "pool: block, count")
        places = {block: 0.75 + 0.54 * block for block in counts}
        for block, count in counts.items():
            used: dict[str, Any] = {"colour": "green"} if count > 1 else {"colour": "sky", "hatch": ".."}
            look: dict[str, Any] = used if count else {"dashed": True}
            words = f"{block}: {count}" if count else f"{block}: free"
            blocks.box(ax, (2.6, places[block]), (1.1, ROW), words, **look)
        for (name, table), top in zip(tables.items(), (0.75, 2.2)):
            for i, block in enumerate(table):
                y = top + i * ROW
                blocks.box(ax, (0.1, y), (WIDTH, ROW), f"{name}{i}  →  {block}")
                blocks.arrow(ax, (0.1 + WIDTH, y + ROW / 2), (2.6, places[block] + ROW / 2), dashed=name == B)
    return render(figure, said["alt"], "kv_cache.diagram")
