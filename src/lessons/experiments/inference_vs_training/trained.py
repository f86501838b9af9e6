"""What the chapter's experiments on a training step have in common: a network, and a batch for it."""

from __future__ import annotations

from lessons.experiments.base import Experiment
from lessons.formulas.training import TrainingShape

TINY = TrainingShape(layers=2, hidden=64, heads=4, ffn=176, vocab=256, batch=2, sequence=16)


class Trained(Experiment):
    """An experiment on a training step.

    Args:
        shape: the network and its batch; the chapter's where left out.
    """

    usual = TrainingShape()

    def __init__(self, shape: TrainingShape | None = None) -> None:
        self.shape = shape or self.usual
