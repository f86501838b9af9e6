"""How many bytes a key/value cache needs, and how many tokens a memory holds."""

from __future__ import annotations

from typing import NamedTuple

from lessons.formulas.checks import fraction, not_negative, positive, whole


def bytes_per_token(layers: int, kv_heads: int, head_dim: int, itemsize: float = 2) -> float:
    """Return the cache of one token in bytes: one key and one value per layer and K/V head.

    Args:
        layers: layers that keep a cache.
        kv_heads: K/V heads of a layer (equal to the query heads in MHA, fewer in GQA, 1 in MQA).
        head_dim: channels of a head.
        itemsize: bytes of a stored number.

    Raises:
        ValueError: unless sizes are whole and positive.

    Source: kwon2023pagedattention, section 3; ainslie2023gqa for kv_heads.
    """
    whole(layers=layers, kv_heads=kv_heads, head_dim=head_dim)
    positive(itemsize=itemsize)
    return 2 * layers * kv_heads * head_dim * itemsize


def heads_per_device(kv_heads: int, devices: int) -> int:
    """Return the K/V heads of a layer that one device keeps under tensor parallelism.

    The heads are shared out as long as there are enough of them. With more devices than heads each device still keeps
    one, so that a head lies on several devices: the cache of a token shrinks no further.

    Args:
        kv_heads: K/V heads of a layer.
        devices: the degree of tensor parallelism.

    Raises:
        ValueError: unless both are whole numbers of 1 or more, and one of them divides the other.

    Source: vllm2025tuning for tensor parallelism; the rule is that of vLLM's ``get_num_kv_heads``.
    """
    whole(kv_heads=kv_heads, devices=devices)
    if max(kv_heads, devices) % min(kv_heads, devices):
        raise ValueError(
            f"devices is {devices}, but must divide the {kv_heads} K/V heads or be a multiple of them; "
            "take a power of two"
        )
    return max(1, kv_heads // devices)


def latent_bytes_per_token(layers: int, latent_dim: int, rope_dim: int, itemsize: float = 2) -> float:
    """Return the cache of one token under multi-head latent attention (MLA), in bytes.

    One compressed vector of ``latent_dim`` and one shared rotary key of ``rope_dim`` a layer replace all
    heads.

    Raises:
        ValueError: unless sizes are whole and positive.

    Source: deepseek2024v2, section 2.1.
    """
    whole(layers=layers, latent_dim=latent_dim, rope_dim=rope_dim)
    positive(itemsize=itemsize)
    return layers * (latent_dim + rope_dim) * itemsize


def sequence_bytes(tokens: int, per_token: float) -> float:
    """Return the cache of a sequence of ``tokens`` in bytes, at ``per_token`` bytes each."""
    not_negative(tokens=tokens)
    positive(per_token=per_token)
    return tokens * per_token


def tokens_that_fit(memory: float, per_token: float, weights: float = 0, share: float = 1) -> int:
    """Return how many tokens of cache fit beside the weights.

    Args:
        memory: bytes of the device.
        per_token: bytes of cache a token.
        weights: bytes of the weights, held by the same device.
        share: the part of the memory that the engine may use at all (vLLM's ``gpu_memory_utilization``).

    Returns:
        Whole tokens; 0 where the weights alone do not fit.

    Raises:
        ValueError: unless memory and per_token are positive and share lies in [0, 1].

    Source: kwon2023pagedattention, section 1.
    """
    positive(memory=memory, per_token=per_token)
    not_negative(weights=weights)
    fraction(share=share)
    return max(0, int((share * memory - weights) // per_token))


def generation_positions(prompt: int, new_tokens: int, cached: bool) -> int:
    """Return the token positions a model computes to generate ``new_tokens`` after ``prompt``.

    With a cache every position is computed once; the last new token is never fed back. Without one, each step
    computes the whole sequence again, which grows with the square of its length.

    Raises:
        ValueError: unless both are whole numbers of 1 or more.

    Source: pope2023scaling.
    """
    whole(prompt=prompt, new_tokens=new_tokens)
    if cached:
        return prompt + new_tokens - 1
    return new_tokens * prompt + new_tokens * (new_tokens - 1) // 2


class Prompts(NamedTuple):
    """The tokens of all prompts of one conversation, by where they come from.

    Attributes:
        shared: the instruction with which all conversations begin, sent with each turn.
        earlier: questions and answers of earlier turns, sent again.
        new: the questions themselves.
    """

    shared: int
    earlier: int
    new: int

    @property
    def sent(self) -> int:
        """All tokens of all prompts."""
        return sum(self)


def conversation(turns: int, shared: int, user: int, answer: int) -> Prompts:
    """Return the prompt tokens of a conversation in which each turn sends everything before it again.

    Args:
        turns: questions in the conversation.
        shared: tokens of the instruction.
        user: tokens of a question.
        answer: tokens of an answer.

    Raises:
        ValueError: unless turns and user are whole numbers of 1 or more, and the others of 0 or more.
    """
    whole(turns=turns, user=user)
    whole(minimum=0, shared=shared, answer=answer)
    return Prompts(turns * shared, (user + answer) * turns * (turns - 1) // 2, turns * user)
