"""The model's shape from metadata."""

import pytest

from lessons.errors import LessonError
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


def test_refuses_another_architecture():
    with pytest.raises(LessonError, match="'mamba'"):
        ModelConfig.from_gguf({"general.architecture": "mamba"})
