"""Training against inference: FLOP, the memory that each keeps, and how well each uses a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lessons.formulas.checks import not_negative, positive, whole
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


class States(NamedTuple):
    """Bytes that a training run keeps between two steps, whatever the batch.

    Attributes:
        weights: the parameters.
        gradients: one number a parameter.
        moments: Adam's mean and variance of the gradient, two numbers a parameter.
    """

    weights: float
    gradients: float
    moments: float


def forward_flop(parameters: float, tokens: float = 1) -> float:
    """Return 2 N D, the FLOP of a forward pass: one multiplication and one addition a weight and token.

    Args:
        parameters: N, the weights that are multiplied: without an embedding that is only looked up.
        tokens: D.

    Attention's products with keys and values are left out: add ``lessons.formulas.roofline.attention``.

    Raises:
        ValueError: unless both are positive.

    Source: kaplan2020scaling, section 2.1.
    """
    positive(parameters=parameters, tokens=tokens)
    return 2 * parameters * tokens


def training_flop(parameters: float, tokens: float = 1) -> float:
    """Return 6 N D, the FLOP of a training step.

    The backward pass makes two products for each one of the forward pass: the gradient of the weights and that of
    the inputs. Arguments, limits and errors as in ``forward_flop``; computing activations again is not counted.

    Source: kaplan2020scaling, section 2.1.
    """
    return 3 * forward_flop(parameters, tokens)


def adam_states(parameters: float, itemsize: float = 4) -> States:
    """Return what training with Adam keeps in one format throughout: 16 bytes a parameter in float32.

    Mixed precision has another sum that is also 16: ``lessons.formulas.capacity.zero_bytes``.

    Args:
        parameters: all of them, embeddings too.
        itemsize: bytes of a number.

    Raises:
        ValueError: unless both are positive.

    Source: rajbhandari2020zero, section 3.1, for the parts.
    """
    positive(parameters=parameters, itemsize=itemsize)
    one = parameters * itemsize
    return States(one, one, 2 * one)


def adam_traffic(parameters: float, itemsize: float = 4) -> float:
    """Return the bytes that one fused step of Adam moves: it reads four numbers a parameter and writes three.

    Weight, gradient, mean and variance are read; all but the gradient are written, in place. Arguments and errors
    as in ``adam_states``.
    """
    positive(parameters=parameters, itemsize=itemsize)
    return 7 * parameters * itemsize


def kept_activations(
    tokens: int, layers: int, hidden: int, heads: int, ffn: int, vocab: int, itemsize: float = 4
) -> float:
    """Return the bytes that a Llama-shaped model keeps from the forward pass for the backward pass.

    In numbers a token, a layer keeps 10 hidden + 4 ffn + heads + 2: for each of its two norms the input, the
    normalised input, the output and one scale; q, k, v and the output of attention; the gate, the gate after its
    activation, the other branch and their product; and one sum of the softmax a head. The final norm keeps
    3 hidden + 1 and the loss vocab. Scores are not kept: attention is fused.

    This is PyTorch's count for an unfused norm, activation and loss, query heads with keys of their own, and no
    dropout. Fused or compiled code keeps less, and checkpointing much less.

    Args:
        tokens: of all sequences of the batch together.
        layers, hidden, heads, ffn, vocab: the model's shape.
        itemsize: bytes of a number.

    Raises:
        ValueError: unless sizes are whole and positive.

    Source: this book's count; korthikanti2023activation counts a GPT layer in the same way.
    """
    whole(tokens=tokens, layers=layers, hidden=hidden, heads=heads, ffn=ffn, vocab=vocab)
    positive(itemsize=itemsize)
    layer = 10 * hidden + 4 * ffn + heads + 2
    return tokens * itemsize * (layers * layer + 3 * hidden + 1 + vocab)


def mfu(flop: float, seconds: float, peak: float) -> float:
    """Return model FLOP/s utilisation: the share of ``peak`` (FLOP/s) that needed FLOP make up.

    Args:
        flop: what the model needs, not what the code did: activations computed again do not count.
        seconds: the time they took.
        peak: FLOP/s of the format in use, dense.

    Raises:
        ValueError: for a negative FLOP, or a time or peak that is not positive.

    Source: chowdhery2023palm.
    """
    not_negative(flop=flop)
    positive(seconds=seconds, peak=peak)
    return flop / seconds / peak


def mbu(bytes_needed: float, seconds: float, bandwidth: float) -> float:
    """Return model bandwidth utilisation: the share of ``bandwidth`` (B/s) that needed bytes make up.

    Args:
        bytes_needed: weights and KV cache, each once a step.
        seconds: the time of the step.
        bandwidth: B/s of the memory.

    Raises:
        ValueError: for negative bytes, or a time or bandwidth that is not positive.

    Source: databricks2023llminference.
    """
    not_negative(bytes_needed=bytes_needed)
    positive(seconds=seconds, bandwidth=bandwidth)
    return bytes_needed / seconds / bandwidth
