"""The shape of a Llama model, read from the metadata of its GGUF file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lessons.errors import LessonError, shown

# Limits of this book, above any Llama's that it could run. No tensor tells how long the context is, and memory is made
# for it; kernels are compiled for the width of a head, and the wider the longer.
MAX_CONTEXT = 1 << 18  # tokens
MAX_HEAD_DIM = 256


@dataclass(frozen=True)
class ModelConfig:
    """The numbers that fix a Llama network.

    Attributes:
        layers: transformer blocks.
        hidden: width of the residual stream.
        heads: query heads.
        kv_heads: key and value heads; ``heads // kv_heads`` queries share one.
        head_dim: width of a head.
        ffn: width of the feed-forward block.
        vocab: tokens.
        context: the longest sequence it was trained on, in tokens.
        rope_base: base of the rotary angles.
        norm_eps: what RMSNorm adds to the mean square.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    context: int
    rope_base: float
    norm_eps: float

    @classmethod
    def from_gguf(cls, metadata: Mapping[str, Any]) -> ModelConfig:
        """Read the shape from GGUF metadata. ``lessons.llm.weights.check`` compares it with the tensors.

        Raises:
            LessonError: when the model is not a Llama, or a key is missing or its value makes no network.

        Source:
            Keys: github.com/ggml-org/ggml, docs/gguf.md, "LLM".
        """
        architecture = metadata.get("general.architecture")
        if not isinstance(architecture, str) or architecture != "llama":
            raise LessonError(
                f"the model's architecture is {shown(architecture)}; this book reads 'llama' only"
            )

        def number(key: str, default: Any = None) -> Any:
            value = metadata.get(f"llama.{key}", default)
            if type(value) not in (int, float) or not 0 < value < math.inf:
                raise LessonError(
                    f"llama.{key} is {shown(value)}; it must be a positive number: fetch the file again"
                )
            return value

        def size(key: str, default: Any = None, most: float = math.inf) -> int:
            value = number(key, default)
            if type(value) is not int:
                raise LessonError(
                    f"llama.{key} is {value!r}; it must be a whole number: fetch the file again"
                )
            if value > most:
                raise LessonError(
                    f"llama.{key} is {value}; this book reads up to {most}: fetch the file again, or take another model"
                )
            return value

        tokens = metadata.get("tokenizer.ggml.tokens")
        if not isinstance(tokens, list) or not tokens:
            raise LessonError("the file has no vocabulary in tokenizer.ggml.tokens; fetch it again")
        if size("vocab_size", len(tokens)) != len(tokens):
            raise LessonError(
                f"llama.vocab_size is {size('vocab_size')} and the vocabulary in tokenizer.ggml.tokens has "
                f"{len(tokens)} tokens; they must be as many: fetch the file again"
            )
        heads, hidden = size("attention.head_count"), size("embedding_length")
        config = cls(
            layers=size("block_count"),
            hidden=hidden,
            heads=heads,
            kv_heads=size("attention.head_count_kv", heads),
            head_dim=size("rope.dimension_count", max(1, hidden // heads), MAX_HEAD_DIM),
            ffn=size("feed_forward_length"),
            vocab=len(tokens),
            context=size("context_length", most=MAX_CONTEXT),
            rope_base=float(number("rope.freq_base", 10000.0)),
            norm_eps=float(number("attention.layer_norm_rms_epsilon")),
        )
        if heads % config.kv_heads or config.head_dim % 2:
            raise LessonError(
                f"the file's model has {heads} query heads for {config.kv_heads} K/V heads, {config.head_dim} wide; "
                "each K/V head must serve as many queries, and a width be even: fetch the file again"
            )
        if config.rope_base < 1:  # the angles of far positions would be no numbers
            raise LessonError(
                f"llama.rope.freq_base is {config.rope_base}; it must be at least 1, so that no pair turns by more "
                "than one radian a position: fetch the file again"
            )
        return config
