"""What the chapter's experiments share: the engines, and the price of a pass over several tokens."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from lessons.formulas.roofline import time_bound
from lessons.llm.engines import engine
from lessons.llm.footprint import step_work
from lessons.passport import Passport

if TYPE_CHECKING:
    from lessons.llm.load import LLM

FLOATS, PACKED, DEVICE = "float32", "packed, int8", "bfloat16"
# The engines of this chapter: the rows of the passes that are timed, and the last row of each kernel.
ROWS = {FLOATS: list(range(1, 13)), PACKED: list(range(1, 18)), DEVICE: list(range(1, 13))}
DRAFT = 7
PUBLISHED = 0.75  # acceptance of T5-small on EnDe, greedy, table 2 of leviathan2023speculative


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
    if name == PACKED:
        peak = passport.flops("int8") if textbook else passport.product("packed", "int8")
    else:
        peak = passport.matmul(name, device="cuda" if name == DEVICE else "cpu")
    rate = passport.bandwidth("read", device="cuda" if name == DEVICE else "cpu").value
    seconds = [time_bound(step_work(name, k), peak.value, rate) for k in ROWS[name]]
    return [s / seconds[0] for s in seconds]


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
