"""The sizes of the network that the chapter on training trains, and what its experiments have in common."""

from __future__ import annotations

from dataclasses import dataclass

from lessons.experiments.base import Experiment
from lessons.formulas.llama import multiplied


@dataclass(frozen=True)
class TrainingShape:
    """The sizes of a network and of its batch. Each query head has its own keys, and the output head its own matrix.

    Attributes:
        layers, hidden, heads, ffn, vocab: the network, as in ``lessons.datasheets.Model``.
        batch, sequence: sequences in a step, and tokens in each.
    """

    layers: int = 6
    hidden: int = 512
    heads: int = 8
    ffn: int = 1408
    vocab: int = 8192
    batch: int = 2
    sequence: int = 256

    @property
    def tokens(self) -> int:
        """Tokens in a step."""
        return self.batch * self.sequence

    @property
    def kv_heads(self) -> int:
        """As many as there are query heads."""
        return self.heads

    @property
    def head_dim(self) -> int:
        """Channels of a head."""
        return self.hidden // self.heads

    @property
    def context(self) -> int:
        """Tokens of a sequence."""
        return self.sequence

    @property
    def multiplied(self) -> int:
        """Weights that a token is multiplied with: all matrices but the embedding, which is looked up."""
        return sum(multiplied(self))


class Trained(Experiment):
    """An experiment on a training step.

    Args:
        shape: the network and its batch; the chapter's where left out.
    """

    usual = TrainingShape()

    def __init__(self, shape: TrainingShape | None = None) -> None:
        self.shape = shape or self.usual
