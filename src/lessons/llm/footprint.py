"""What a pass of the book's model reads and computes, by the form of its weights."""

from __future__ import annotations

from lessons.datasheets import model
from lessons.formulas.quantization import bits_per_weight
from lessons.formulas.roofline import Work


def matrix_weights() -> tuple[int, int]:
    """Return the weights that a token multiplies with: of the layers, and of the output head."""
    m = model("smollm2-135m")
    q, kv = m.heads * m.head_dim, m.kv_heads * m.head_dim
    return m.layers * m.hidden * (2 * q + 2 * kv + 3 * m.ffn), m.vocab * m.hidden


def step_bytes(variant: str) -> float:
    """Return the bytes of weights that one pass reads."""
    layers, head = matrix_weights()
    if variant.startswith("packed"):
        return (layers * bits_per_weight(4, 32, minimum=16) + head * bits_per_weight(8, 32)) / 8
    return (layers + head) * (4 if variant == "float32" else 2)


def step_work(variant: str, rows: int) -> Work:
    """Return the work of a pass with ``rows`` tokens; activations and the cache are small beside the weights."""
    return Work(2 * rows * sum(matrix_weights()), step_bytes(variant))
