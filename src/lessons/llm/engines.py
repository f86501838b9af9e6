"""The book's model in the forms that several chapters measure, each loaded once a process."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lessons.llm.config import ModelConfig
    from lessons.llm.load import LLM


@cache
def engine(weights: str = "packed", activations: str = "int8") -> LLM:
    """Return the model as ``lessons.llm.load.load`` makes it; the fastest form where nothing is named.

    Args:
        weights, activations: as there. Weights that are not packed are multiplied in float32, so leave activations
            out for them.
    """
    from lessons.llm.load import load

    return load(weights, activations=activations) if weights == "packed" else load(weights)


@cache
def config() -> ModelConfig:
    """Return the model's configuration without reading its weights."""
    from lessons.llm.config import ModelConfig
    from lessons.llm.gguf import GGUF
    from lessons.llm.load import find_model

    return ModelConfig.from_gguf(GGUF.open(find_model()).metadata)
