"""Finding and loading the model, and what happens when it is not there."""

import sys

import pytest
import torch

from lessons.errors import LessonError
from lessons.llm import load


def test_the_package_is_located_and_not_imported():
    assert load.find_model().name == load.FILE
    assert load.PACKAGE not in sys.modules


def test_says_how_to_get_a_missing_model(monkeypatch):
    monkeypatch.setattr(load, "PACKAGE", "no_such_package")
    with pytest.raises(LessonError, match="lessons get-model"):
        load.find_model()


def test_a_copy_through_a_format_has_its_error(llm):
    copy = load.load(through="Q4_0")
    ours, theirs = llm.model.weights.layers[3].down, copy.model.weights.layers[3].down
    noise = ((theirs - ours) ** 2).mean() / (ours**2).mean()
    assert 1e-4 < noise < 2e-2
    assert torch.equal(copy.model.weights.layers[3].attn_norm, llm.model.weights.layers[3].attn_norm)


def test_refuses_unknown_choices():
    with pytest.raises(LessonError, match="float32, bfloat16"):
        load.load("int3")
    with pytest.raises(LessonError, match="choose one of cpu, cuda"):
        load.load(device="abacus")
    with pytest.raises(LessonError, match="choose one of float32, int8"):
        load.load("packed", activations="int3")
    with pytest.raises(LessonError, match="need packed weights"):
        load.load("bfloat16", activations="int8")
    with pytest.raises(LessonError, match="the file's own, not Q4_0"):
        load.load("packed", through="Q4_0")
    with pytest.raises(LessonError, match="int8 activations are for the device cpu, not cuda; use float32"):
        load.load("packed", device="cuda", activations="int8")
    if not torch.cuda.is_available():
        with pytest.raises(LessonError, match="no CUDA device"):
            load.load("packed", device="cuda")
