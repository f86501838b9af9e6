"""The roofline as a drawing, with its regions and without a machine's numbers."""

from __future__ import annotations

from typing import Any

from lessons.experiments.text import diagram_text


def draw() -> Any:
    """Return the picture."""
    from lessons import figures
    from lessons.figures.style import FOREGROUND

    said = diagram_text("roofline")
    figure, (ax,) = figures.new()
    with figures.style():
        low, ridge, high, peak = 0.1, 8.0, 640.0, 8.0
        ax.plot([low, ridge, high], [low, peak, peak], color=FOREGROUND, lw=2)
        ax.fill_between([low, ridge], [low, peak], 1e-3, color=figures.COLOURS["sky"], alpha=0.18, lw=0)
        ax.fill_between([ridge, high], peak, 1e-3, color=figures.COLOURS["orange"], alpha=0.18, lw=0)
        ax.axvline(ridge, color=FOREGROUND, ls=":", lw=1)
        words = {"ha": "center", "va": "center", "color": FOREGROUND}
        ax.text(1.4, 0.1, said["memory"], **words)
        ax.text(72, 0.1, said["arithmetic"], **words)
        ax.annotate(
            "ridge: peak / bandwidth",
            (ridge, 0.022),
            (6, 0),
            textcoords="offset points",
            va="center",
            color=FOREGROUND,
        )
        ax.text(0.75, 1.6, "slope: bandwidth", rotation=38, rotation_mode="anchor", **words)
        ax.text(72, peak * 1.35, "flat: peak arithmetic", **words)
        marks = {"one token": (0.5, 0.45), "a prompt": (120, 6.0), "a small operation": (0.25, 0.03)}
        for (name, (x, y)), marker in zip(marks.items(), "osD"):
            ax.plot([x], [y], marker, color=figures.COLOURS["blue"], ms=7)
            ax.annotate(name, (x, y), (8, -4), textcoords="offset points", color=FOREGROUND)
        ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(0.015, 16), xticks=[], yticks=[])
        ax.minorticks_off()
        ax.set_xlabel(said["intensity"])
        ax.set_ylabel("FLOP/s (logarithmic)")
    return figures.render(figure, said["alt"], "roofline.diagram")
