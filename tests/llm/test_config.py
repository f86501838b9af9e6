"""The model's shape from metadata."""

import numpy as np
import pytest

from lessons.errors import LessonError, shown
from lessons.llm.config import ModelConfig
from lessons.llm.gguf import GGUF


def test_the_real_shape(model_path):
    assert ModelConfig.from_gguf(GGUF.open(model_path).metadata) == ModelConfig(
        layers=30,
        hidden=576,
        heads=9,
        kv_heads=3,
        head_dim=64,
        ffn=1536,
        vocab=49_152,
        context=8192,
        rope_base=100_000.0,
        norm_eps=pytest.approx(1e-5),
    )


@pytest.mark.parametrize("key", ["block_count", "attention.head_count", "feed_forward_length"])
@pytest.mark.parametrize("bad", [None, 0, -3, "9", True])
def test_refuses_a_shape_that_makes_no_network(model_path, key, bad):
    metadata = {**GGUF.open(model_path).metadata, f"llama.{key}": bad}
    with pytest.raises(LessonError, match=rf"llama\.{key} is"):
        ModelConfig.from_gguf(metadata)


OTHERS = ["mamba", "x" * 1_000_000, None, 7, ["llama"], np.array([1, 2]), np.zeros(99_999)]


@pytest.mark.parametrize("other", OTHERS, ids=shown)
def test_refuses_another_architecture(other):
    with pytest.raises(
        LessonError, match=r"the model's architecture is .*; this book reads 'llama' only"
    ) as caught:
        ModelConfig.from_gguf({"general.architecture": other})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("rope.dimension_count", 65_536, "is 65536; this book reads up to 256"),
        ("rope.dimension_count", 2**64 - 64, "this book reads up to 256"),
        ("context_length", 2**63, "this book reads up to 262144"),
        ("rope.freq_base", 1e-300, "is 1e-300; it must be at least 1"),
        ("rope.freq_base", 0.5, "it must be at least 1"),
        ("attention.head_count_kv", np.full(30, 3), "it must be a positive number"),
        ("vocab_size", 2**64 - 1, "vocab_size is 18446744073709551615 and the vocabulary"),
    ],
)
def test_refuses_what_no_llama_has(model_path, key, value, message):
    metadata = {**GGUF.open(model_path).metadata, f"llama.{key}": value}
    with pytest.raises(LessonError, match=message) as caught:
        ModelConfig.from_gguf(metadata)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tokens", [None, [], "text", 5, np.arange(9)], ids=shown)
def test_refuses_what_is_no_vocabulary(model_path, tokens):
    metadata = {**GGUF.open(model_path).metadata, "tokenizer.ggml.tokens": tokens}
    with pytest.raises(LessonError, match="no vocabulary"):
        ModelConfig.from_gguf(metadata)
