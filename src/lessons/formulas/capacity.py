"""How many parameters a model has, and how many bytes weights, training states and activations take."""

from __future__ import annotations

from lessons.formulas.checks import choice, not_negative, positive, whole

RECOMPUTE = ("none", "selective", "full")


def parameter_bytes(parameters: float, bytes_each: float = 2) -> float:
    """Return the bytes of ``parameters`` weights at ``bytes_each`` (2 for bfloat16, 0.5 for plain 4 bits)."""
    positive(parameters=parameters, bytes_each=bytes_each)
    return parameters * bytes_each


def llama_parameters(
    layers: int,
    hidden: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    ffn: int,
    vocab: int,
    tied: bool = False,
    qkv_bias: bool = False,
    qk_norm: bool = False,
    experts: int = 1,
) -> int:
    """Return the parameters of a Llama-shaped model: RMSNorm, gated feed-forward, grouped-query attention.

    Args:
        layers: transformer layers.
        hidden: width of the residual stream.
        heads: query heads.
        kv_heads: K/V heads.
        head_dim: channels of a head.
        ffn: inner width of the feed-forward block, of one expert where there are several.
        vocab: stored rows of the embedding.
        tied: whether the output head is the embedding itself.
        qkv_bias: whether q, k and v have biases (Qwen2).
        qk_norm: whether q and k are normalised per head (Qwen3).
        experts: feed-forward blocks a layer; from 2 on, a router of hidden x experts is added.

    Raises:
        ValueError: unless sizes are whole and positive.

    Source: grattafiori2024llama3 for the architecture; counting is this book's.
    """
    whole(layers=layers, hidden=hidden, heads=heads, kv_heads=kv_heads, head_dim=head_dim)
    whole(ffn=ffn, vocab=vocab, experts=experts)
    qkv = (heads + 2 * kv_heads) * head_dim
    attention = hidden * qkv + heads * head_dim * hidden
    attention += qkv * qkv_bias + 2 * head_dim * qk_norm
    feed_forward = experts * 3 * hidden * ffn + (hidden * experts if experts > 1 else 0)
    norms = 2 * hidden
    embeddings = vocab * hidden * (1 if tied else 2)
    return layers * (attention + feed_forward + norms) + embeddings + hidden


def gpt_parameters(layers: int, hidden: int, ffn: int, vocab: int, positions: int) -> int:
    """Return the parameters of a GPT-2-shaped model: biases, LayerNorm, learned positions, tied head.

    Args:
        layers: transformer layers.
        hidden: width of the residual stream.
        ffn: inner width of the feed-forward block.
        vocab: stored rows of the token embedding.
        positions: stored rows of the position embedding.

    Raises:
        ValueError: unless sizes are whole and positive.
    """
    whole(layers=layers, hidden=hidden, ffn=ffn, vocab=vocab, positions=positions)
    attention = 4 * (hidden * hidden + hidden)
    feed_forward = 2 * hidden * ffn + ffn + hidden
    norms = 2 * 2 * hidden
    return layers * (attention + feed_forward + norms) + (vocab + positions) * hidden + 2 * hidden


def activation_bytes(
    sequence: int,
    batch: int,
    hidden: int,
    heads: int,
    layers: int = 1,
    tensor_parallel: int = 1,
    sequence_parallel: bool = False,
    recompute: str = "none",
) -> float:
    """Return the activations that training keeps for the backward pass, in bytes a device.

    The 34 s b h (+ 5 a s^2 b) bytes a layer hold under the paper's conditions only: 16-bit activations,
    1-byte dropout masks, a GELU feed-forward block of width 4h, full multi-head attention and stored scores.
    A gated feed-forward block, grouped-query attention or no dropout need their own count. FlashAttention,
    like selective recomputation, removes the score term.

    Args:
        sequence: s, tokens.
        batch: b, sequences of a micro-batch.
        hidden: h, width of the residual stream.
        heads: a, attention heads.
        layers: L.
        tensor_parallel: t, devices that share a layer.
        sequence_parallel: whether norms and dropout are split along the sequence as well.
        recompute: "none", "selective" (scores again) or "full" (only each layer's input is kept).

    Raises:
        ValueError: unless sizes are whole and positive and ``recompute`` is known.

    Source: korthikanti2023activation, table 2.
    """
    whole(sequence=sequence, batch=batch, hidden=hidden, heads=heads, layers=layers)
    whole(tensor_parallel=tensor_parallel)
    choice("recompute", recompute, RECOMPUTE)
    sbh = sequence * batch * hidden
    if recompute == "full":
        return 2 * sbh * layers
    scores = 0 if recompute == "selective" else 5 * heads * sequence / hidden
    t = tensor_parallel
    whole_part = 10 / t if sequence_parallel else 10
    return sbh * layers * (whole_part + 24 / t + scores / t)


def zero_bytes(parameters: float, devices: int = 1, stage: int = 0, optimizer_bytes: float = 12) -> float:
    """Return the model states of mixed-precision training in bytes a device.

    2 bytes of weights and 2 of gradients a parameter, and ``optimizer_bytes`` of optimizer state: 12 for Adam
    (a float32 copy, a mean and a variance). Stage 1 shares the optimizer state among the devices, stage 2 the
    gradients too, stage 3 the weights too. Activations are never shared by it.

    Args:
        parameters: weights of the model.
        devices: data-parallel devices.
        stage: 0 (nothing shared) to 3.
        optimizer_bytes: K of the paper.

    Raises:
        ValueError: unless parameters and devices are positive and the stage is 0, 1, 2 or 3.

    Source: rajbhandari2020zero, section 5.
    """
    positive(parameters=parameters)
    whole(devices=devices)
    not_negative(optimizer_bytes=optimizer_bytes)
    if stage not in (0, 1, 2, 3):
        raise ValueError(f"stage is {stage!r}, but must be 0, 1, 2 or 3; 0 shares nothing")
    states = (optimizer_bytes, 2, 2)  # optimizer, gradients, weights: the order in which stages share them
    return parameters * sum(size / devices if i < stage else size for i, size in enumerate(states))
