"""The arithmetic of one step of a dense Llama model: its matrices, the bytes it reads and the FLOP it does.

Every new token is multiplied with every matrix of every layer, two FLOP a weight, and each weight is read once a step
however many tokens share it. The output head is multiplied only with the tokens whose logits are wanted. Norms,
rotations and activations are left out: they touch some numbers a token, where matrices touch millions.

Source:
    grattafiori2024llama3 for the network; kaplan2020scaling, section 2.1, for 2 FLOP a weight and token; the counts
    are this book's.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from lessons.formulas.checks import choice, not_negative, positive, whole
from lessons.formulas.kv_cache import bytes_per_token
from lessons.formulas.quantization import bits_per_weight
from lessons.formulas.roofline import Work

# Bits of a stored weight with its share of the block's scale; Q8_0, Q4_0 and Q4_1 are ggml's, in blocks of 32.
BITS = {
    "float32": 32.0,
    "bfloat16": 16.0,
    "Q8_0": bits_per_weight(8, 32),
    "Q4_0": bits_per_weight(4, 32),
    "Q4_1": bits_per_weight(4, 32, minimum=16),
}


class Shape(Protocol):
    """The sizes of a dense Llama model, whoever knows them: ``datasheets.Model`` and ``llm.config.ModelConfig`` do."""

    @property
    def layers(self) -> int:
        """Transformer blocks."""

    @property
    def hidden(self) -> int:
        """Width of the residual stream."""

    @property
    def heads(self) -> int:
        """Query heads."""

    @property
    def kv_heads(self) -> int:
        """K/V heads."""

    @property
    def head_dim(self) -> int:
        """Channels of a head."""

    @property
    def ffn(self) -> int:
        """Inner width of the feed-forward block."""

    @property
    def vocab(self) -> int:
        """Rows of the embedding."""

    @property
    def context(self) -> int:
        """The longest sequence in tokens."""


class Multiplied(NamedTuple):
    """Weights that a token is multiplied with.

    Attributes:
        layers: in all layers together.
        head: in the output head, where the token's logits are wanted. (As an embedding they are only looked up.)
    """

    layers: int
    head: int


def layer_matrices(shape: Shape) -> dict[str, tuple[int, int]]:
    """Return outputs and inputs of each product of a layer, in order: "qkv", "o", "gate_up" and "down".

    Queries, keys and values are one product, and so are the gate and its partner.
    """
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return {
        "qkv": (q + 2 * kv, shape.hidden),
        "o": (shape.hidden, q),
        "gate_up": (2 * shape.ffn, shape.hidden),
        "down": (shape.hidden, shape.ffn),
    }


def matrix_rows(shape: Shape) -> int:
    """Return the rows of all matrices that a token is multiplied with, the output head's included."""
    layer = sum(outputs for outputs, _ in layer_matrices(shape).values())
    return shape.layers * layer + shape.vocab


def multiplied(shape: Shape) -> Multiplied:
    """Return how many weights a token is multiplied with."""
    layer = sum(outputs * inputs for outputs, inputs in layer_matrices(shape).values())
    return Multiplied(shape.layers * layer, shape.vocab * shape.hidden)


def weight_bytes(shape: Shape, format: str = "float32", head: str | None = None) -> float:
    """Return the bytes of weights that one step reads, the output head included.

    Args:
        shape: the model.
        format: of the layers' matrices: a key of ``BITS``.
        head: format of the output head where it is another.

    Raises:
        ValueError: for an unknown format.
    """
    head = format if head is None else head
    for name, value in (("format", format), ("head", head)):
        choice(name, value, tuple(BITS))
    weights = multiplied(shape)
    return (weights.layers * BITS[format] + weights.head * BITS[head]) / 8


def pair_flop(shape: Shape) -> int:
    """Return the FLOP of attention for one token and one that it attends to, in all layers and heads.

    Two products, with the key and with the value, cost 2 FLOP a channel each; the softmax is left out.
    """
    return 4 * shape.layers * shape.heads * shape.head_dim


def causal_pairs(tokens: int, before: int = 0) -> int:
    """Return the pairs of a token and one it attends to: all ``before`` it, itself, and the new ones between.

    Args:
        tokens: new tokens of one sequence.
        before: tokens of it that are in the cache.
    """
    return tokens * before + tokens * (tokens + 1) // 2


def step(
    shape: Shape,
    tokens: int,
    wanted: int | None = None,
    *,
    weights: float,
    cached: float = 0,
    pairs: float = 0,
    itemsize: float = 4,
) -> Work:
    """Return the work of one step over ``tokens`` new tokens, of one sequence or of many.

    Args:
        shape: the model.
        tokens: new tokens of all sequences together.
        wanted: those whose logits are computed; all where None, 1 for a prompt.
        weights: bytes of the weights, see ``weight_bytes``.
        cached: tokens whose keys and values cross the memory interface; 0 leaves the cache out.
        pairs: pairs of a token and one it attends to, see ``causal_pairs``; 0 leaves attention out.
        itemsize: bytes of a cached number.

    Raises:
        ValueError: unless tokens and wanted are whole, and the others not negative.
    """
    wanted = tokens if wanted is None else wanted
    whole(tokens=tokens)
    whole(minimum=0, wanted=wanted)
    positive(weights=weights)
    not_negative(cached=cached, pairs=pairs)
    m = multiplied(shape)
    kv = bytes_per_token(shape.layers, shape.kv_heads, shape.head_dim, itemsize)
    flop = 2 * (m.layers * tokens + m.head * wanted) + pair_flop(shape) * pairs
    return Work(flop, weights + cached * kv)
