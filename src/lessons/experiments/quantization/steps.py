"""Passes of the model with its weights in four representations, and the work in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lessons.experiments.derivation import Operand
from lessons.llm.footprint import step_bytes, step_work
from lessons.passport import Passport
from lessons.units import Quantity

VARIANTS: dict[str, dict[str, str]] = {
    "float32": {"weights": "float32"},
    "bfloat16": {"weights": "bfloat16"},
    "packed, float32": {"weights": "packed"},
    "packed, int8": {"weights": "packed", "activations": "int8"},
}
SHAPE = "shape of SmolLM2-135M"
CONTEXT = 64  # tokens before the ones that are timed
# Seconds of passes before those that are timed, as a model runs that writes token after token: a last cache that held
# other weights keeps the new ones only after some ten passes over them.
SETTLE = 0.06


def arithmetic(variant: str) -> str:
    """Return the dtype whose peak bounds a variant on a CPU, which multiplies bfloat16 weights as float32."""
    return "int8" if variant.endswith("int8") else "float32"


def operands(passport: Passport, variant: str) -> dict[str, Operand]:
    """Return what bounds a pass of one token: F / P by its arithmetic, B / R by its weights."""
    dtype = arithmetic(variant)
    return {
        "F": Operand("operations of a token", Quantity(step_work(variant, 1).flop, "FLOP"), SHAPE),
        "P": Operand(f"{dtype} multiply-adds in registers", passport.flops(dtype)),
        "B": Operand(f"{variant.split(',')[0]} weights", Quantity(step_bytes(variant), "B"), SHAPE),
        "R": Operand("reads in memory", passport.bandwidth("read")),
    }


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
