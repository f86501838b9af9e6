"""What the chapter's experiments share: the engines, and the price of a pass over several tokens."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from lessons.experiments.derivation import Operand
from lessons.formulas.roofline import time_bound
from lessons.llm.engines import engine
from lessons.llm.footprint import step_work
from lessons.passport import Passport
from lessons.units import Quantity

if TYPE_CHECKING:
    from lessons.llm.load import LLM

FLOATS, PACKED, DEVICE = "float32", "packed, int8", "bfloat16"
# The engines of this chapter: the rows of the passes that are timed, and the last row of each kernel.
ROWS = {FLOATS: list(range(1, 13)), PACKED: list(range(1, 18)), DEVICE: list(range(1, 13))}
SHAPE = "shape of SmolLM2-135M"
DRAFT = 7
PUBLISHED = 0.75  # acceptance of T5-small on EnDe, greedy, table 2 of leviathan2023speculative
ACCEPTANCE = Operand(
    "share of guesses kept", Quantity(PUBLISHED, "1"), "published by Leviathan and others, 2023"
)


def target(name: str) -> LLM:
    """Return the model of one engine of this chapter."""
    return engine("float32") if name == FLOATS else engine()


def chat(request: str) -> str:
    """Return the model's prompt for one request."""
    return target(PACKED).tokenizer.chat([{"role": "user", "content": request}])


def predicted_curve(passport: Passport, name: str, textbook: bool = False) -> list[float]:
    """Return t(k)/t(1) for each of ``ROWS`` by the roofline: 2 k operations a weight against one reading of it.

    Args:
        passport: of this computer.
        name: the engine.
        textbook: of packed weights, take the peak of int8 in registers, and not what the packed product reaches.
    """
    bound = operands(passport, name, textbook)
    peak, rate = (bound[symbol].quantity.value for symbol in "PR")
    seconds = [time_bound(step_work(name, k), peak, rate) for k in ROWS[name]]
    return [s / seconds[0] for s in seconds]


def operands(passport: Passport, name: str, textbook: bool = False) -> dict[str, Operand]:
    """Return what bounds a pass of one token: F / P by its arithmetic, B / R by its weights. As ``predicted_curve``."""
    device = "cuda" if name == DEVICE else "cpu"
    if name != PACKED:
        product = Operand(f"torch, large {name} product", passport.matmul(name, device=device))
    elif textbook:
        product = Operand("int8 multiply-adds in registers", passport.flops("int8"))
    else:
        product = Operand("product of packed weights and int8", passport.product("packed", "int8"))
    work = step_work(name, 1)
    return {
        "F": Operand("operations of a token", Quantity(work.flop, "FLOP"), SHAPE),
        "P": product,
        "B": Operand(f"{name.split(',')[0]} weights", Quantity(work.bytes, "B"), SHAPE),
        "R": Operand("reads in memory", passport.bandwidth("read", device=device)),
    }


def measured_passes(llm: Any, rows: list[int], rounds: int, before: int = 256) -> dict[int, list[float]]:
    """Return the seconds of passes over k tokens after ``before`` others, all k in turn, the first round left out."""
    import torch

    tokens = torch.arange(100, 100 + before)
    kv = llm.new_cache(before + max(rows))
    llm.model.forward(tokens, kv, last_only=True)
    seconds: dict[int, list[float]] = {k: [] for k in rows}
    for _ in range(rounds + 1):
        for k in rows:
            began = perf_counter()
            llm.model.forward(tokens[:k], kv)
            seconds[k].append(perf_counter() - began)
            kv.truncate(before)
    return {k: found[1:] for k, found in seconds.items()}
