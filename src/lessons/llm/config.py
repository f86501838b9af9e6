"""The shape of a Llama model, read from the metadata of its GGUF file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lessons.errors import LessonError


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
        context_length: the longest sequence it was trained on, in tokens.
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
    context_length: int
    rope_base: float
    norm_eps: float

    @classmethod
    def from_gguf(cls, metadata: Mapping[str, Any]) -> ModelConfig:
        """Read the shape from GGUF metadata.

        Raises:
            LessonError: when the model is not a Llama, or a key is missing or its value makes no network.

        Source:
            Keys: github.com/ggml-org/ggml, docs/gguf.md, "LLM".
        """
        architecture = metadata.get("general.architecture")
        if architecture != "llama":
            raise LessonError(f"the model's architecture is {architecture!r}; this book reads 'llama' only")

        def number(key: str, default: Any = None) -> Any:
            value = metadata.get(f"llama.{key}", default)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not value > 0:
                raise LessonError(
                    f"llama.{key} is {value!r}; it must be a positive number: fetch the file again"
                )
            return value

        heads, hidden = number("attention.head_count"), number("embedding_length")
        return cls(
            layers=number("block_count"),
            hidden=hidden,
            heads=heads,
            kv_heads=number("attention.head_count_kv", heads),
            head_dim=number("rope.dimension_count", hidden // heads),
            ffn=number("feed_forward_length"),
            vocab=len(metadata.get("tokenizer.ggml.tokens", ())),
            context_length=number("context_length"),
            rope_base=float(number("rope.freq_base", 10000.0)),
            norm_eps=float(number("attention.layer_norm_rms_epsilon")),
        )
