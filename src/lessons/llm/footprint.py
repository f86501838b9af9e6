"""What a pass of the book's model reads and computes, by the form of its weights."""

from __future__ import annotations

from lessons.datasheets import model
from lessons.formulas import llama
from lessons.formulas.roofline import Work


def step_bytes(variant: str) -> float:
    """Return the bytes of weights that one pass reads."""
    formats = ("Q4_1", "Q8_0") if variant.startswith("packed") else (variant, variant)
    return llama.weight_bytes(model("smollm2-135m"), *formats)


def step_work(variant: str, rows: int, wanted: int | None = None) -> Work:
    """Return the work of a pass with ``rows`` tokens; activations and the cache are small beside the weights.

    Args:
        variant: as for ``step_bytes``.
        rows: new tokens.
        wanted: those whose logits are computed; all where None.
    """
    return llama.step(model("smollm2-135m"), rows, wanted, weights=step_bytes(variant))
