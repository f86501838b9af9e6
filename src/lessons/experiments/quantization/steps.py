"""Passes of the model with its weights in four representations, and the work in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

VARIANTS: dict[str, dict[str, str]] = {
    "float32": {"weights": "float32"},
    "bfloat16": {"weights": "bfloat16"},
    "packed, float32": {"weights": "packed"},
    "packed, int8": {"weights": "packed", "activations": "int8"},
}
CONTEXT = 64  # tokens before the ones that are timed
# Seconds of passes before those that are timed, as a model runs that writes token after token: a last cache that held
# other weights keeps the new ones only after some ten passes over them.
SETTLE = 0.06


def arithmetic(variant: str) -> str:
    """Return the dtype whose peak bounds a variant on a CPU, which multiplies bfloat16 weights as float32."""
    return "int8" if variant.endswith("int8") else "float32"


def step(llm: Any, rows: int) -> Callable[[], None]:
    """Return a function that runs a pass with ``rows`` tokens after ``CONTEXT`` others."""
    import torch

    cache = llm.new_cache(CONTEXT + rows)
    llm.model.forward(torch.arange(1000, 1000 + CONTEXT), cache, last_only=True)
    tokens = torch.arange(2000, 2000 + rows)

    def run() -> None:
        llm.model.forward(tokens, cache)
        cache.truncate(CONTEXT)

    return run
