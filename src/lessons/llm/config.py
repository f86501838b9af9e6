"""The shape of a Llama model, read from the metadata of its GGUF file."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lessons.errors import LessonError

MAX_CONTEXT = 1 << 20  # tokens; far above what models of this kind are trained on


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
        if architecture != "llama":
            raise LessonError(
                f"the model's architecture is {reprlib.repr(architecture)}; this book reads 'llama' only"
            )

        def number(key: str, default: Any = None) -> Any:
            value = metadata.get(f"llama.{key}", default)
            if type(value) not in (int, float) or not 0 < value < math.inf:
                raise LessonError(
                    f"llama.{key} is {reprlib.repr(value)}; it must be a positive number: fetch the file again"
                )
            return value

        def size(key: str, default: Any = None) -> int:
            value = number(key, default)
            if type(value) is not int:
                raise LessonError(
                    f"llama.{key} is {value!r}; it must be a whole number: fetch the file again"
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
            head_dim=size("rope.dimension_count", hidden // heads),
            ffn=size("feed_forward_length"),
            vocab=len(tokens),
            context=size("context_length"),
            rope_base=float(number("rope.freq_base", 10000.0)),
            norm_eps=float(number("attention.layer_norm_rms_epsilon")),
        )
        if heads % config.kv_heads or config.head_dim % 2:
            raise LessonError(
                f"the file's model has {heads} query heads for {config.kv_heads} K/V heads, {config.head_dim} wide; "
                "each K/V head must serve as many queries, and a width be even: fetch the file again"
            )
        if config.context > MAX_CONTEXT:
            raise LessonError(
                f"llama.context_length is {config.context}; this book reads up to {MAX_CONTEXT}, since it "
                "keeps the rotation of each position: fetch the file again, or take another model"
            )
        return config
