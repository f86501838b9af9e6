"""The Llama network, forward only: tokens in, logits out, top to bottom.

A layer is attention and a feed-forward block, each behind an RMSNorm and each added to the residual stream::

    x = x + O(attention(rope(Q n), rope(K n), V n))      n = rms_norm(x)
    x = x + D(silu(G n) * U n)                           n = rms_norm(x)

Source:
    Touvron et al. 2023, arXiv:2302.13971; RMSNorm: Zhang and Sennrich 2019, arXiv:1910.07467; rotary
    positions: Su et al. 2021, arXiv:2104.09864; SwiGLU: Shazeer 2020, arXiv:2002.05202.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch.nn.functional import silu

from lessons.errors import LessonError
from lessons.kernels.rms_norm import rms_norm
from lessons.llm.cache import KVCache
from lessons.llm.compiled import CompiledPass
from lessons.llm.linear import linear, lookup
from lessons.llm.weights import Layer, LlamaWeights


class Llama:
    """A Llama model.

    Norms, rotary angles and the residual stream are float32 whatever the weights are.

    Args:
        weights: the numbers, from ``lessons.llm.weights.read_weights``.
        compiled: on the CPU, run few tokens as one compiled program; without, everything goes operation by operation.

    Attributes:
        weights: as given.
        config: the model's shape.
        device, dtype: the weights'.
    """

    def __init__(self, weights: LlamaWeights, *, compiled: bool = True) -> None:
        self.weights, self.config = weights, weights.config
        self.device, self.dtype = weights.device, weights.dtype
        self._compiled = CompiledPass(weights) if compiled and CompiledPass.takes(weights) else None

    @torch.inference_mode()
    def forward(self, tokens: torch.Tensor, cache: KVCache, *, last_only: bool = False) -> torch.Tensor:
        """Run ``n`` new tokens of one sequence: a prompt, one token, or several to verify.

        Args:
            tokens: int64 [n], n >= 1, on any device.
            cache: the sequence so far; the new tokens are added to it.
            last_only: return logits for the last token only, which saves most of a prompt's output head.

        Returns:
            float32 [n, vocab], or [1, vocab]: row i foresees the token after ``tokens[i]``.

        Raises:
            LessonError, ValueError: as ``forward_batch``.
        """
        return self.forward_batch([tokens], [cache], last_only=last_only)

    @torch.inference_mode()
    def forward_batch(
        self, tokens: Sequence[torch.Tensor], caches: Sequence[KVCache], *, last_only: bool = False
    ) -> torch.Tensor:
        """Run new tokens of several sequences in one pass over the weights.

        Args:
            tokens: for each sequence its new tokens, int64 [n_i]; prompts and single tokens may be mixed.
            caches: for each sequence its own cache, all of one class.
            last_only: return logits for each sequence's last token only.

        Returns:
            float32 [sum of n_i, vocab] in order, or [sequences, vocab].

        Raises:
            LessonError: when a sequence would be longer than the model's context. CacheFull, which is one: when it does
                not fit in its cache. All caches are then as they were.
            ValueError: for a token that is not in the vocabulary; all caches are then as they were. (On a GPU nobody
                looks, for it would have to be waited for.)
        """
        counts = [len(t) for t in tokens]
        starts = [cache.length for cache in caches]
        self._check_positions(starts, counts)
        numbers = self._checked(tokens) if self.device.type == "cpu" else []
        _extend_all(caches, counts)

        wanted = [end - 1 for end in accumulate(counts)] if last_only else list(range(sum(counts)))
        if self._compiled is not None:
            # On the CPU, where it takes so many rows: the lines below, as one compiled program.
            logits = self._compiled(numbers, caches, counts, wanted)
            if logits is not None:
                return logits
        w = self.weights
        x = lookup(w.embedding, torch.cat(list(tokens)).to(self.device))
        if len(starts) == 1:  # the common case, as a view
            turns = w.turns[starts[0] : starts[0] + counts[0]]
        else:
            turns = torch.cat([w.turns[start : start + n] for start, n in zip(starts, counts)])
        for index, layer in enumerate(w.layers):
            x = x + self._attention(index, layer, x, turns, caches, counts)
            x = x + self._feed_forward(layer, x)
        return linear(self._norm(x[wanted], w.output_norm), w.embedding)

    def _check_positions(self, starts: Sequence[int], counts: Sequence[int]) -> None:
        """Refuse positions that have no rotary angle. This is the one place: compiled code would read on and on."""
        last = max(start + n for start, n in zip(starts, counts)) - 1
        limit = self.config.context
        if last >= limit:
            raise LessonError(
                f"a token at position {last} is past the model's context of {limit} tokens, whose last position is "
                f"{limit - 1}; shorten the prompt, or truncate the cache"
            )

    def _checked(self, tokens: Sequence[torch.Tensor]) -> list[int]:
        """Return all tokens' numbers. Compiled code would look up whatever it is given."""
        numbers = [number for part in tokens for number in part.tolist()]
        if min(numbers) < 0 or max(numbers) >= self.config.vocab:
            wrong = next(number for number in numbers if not 0 <= number < self.config.vocab)
            raise ValueError(f"no token {wrong}: the vocabulary's are 0 to {self.config.vocab - 1}")
        return numbers

    def _attention(
        self,
        index: int,
        layer: Layer,
        x: torch.Tensor,
        turns: torch.Tensor,
        caches: Sequence[KVCache],
        counts: Sequence[int],
    ) -> torch.Tensor:
        c = self.config
        qkv = linear(self._norm(x, layer.attn_norm), layer.qkv).view(len(x), -1, c.head_dim)
        rotated = rotate(qkv[:, : c.heads + c.kv_heads], turns)
        q, k = rotated[:, : c.heads], rotated[:, c.heads :]
        v = qkv[:, c.heads + c.kv_heads :]
        out = type(caches[0]).attend_batch(caches, counts, index, q, k, v)
        return linear(out.reshape(len(x), -1), layer.o)

    def _feed_forward(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        gate, up = linear(self._norm(x, layer.ffn_norm), layer.gate_up).split(self.config.ffn, dim=1)
        return linear(silu(gate) * up, layer.down)

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return rms_norm(x, weight, self.config.norm_eps)


def rotate(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Turn neighbouring pairs of numbers by their position: one complex product.

    GGUF keeps Llama's own order, in which a pair lies side by side. transformers keeps the two halves of a
    head apart ("rotate half"), and the converter to GGUF reorders the rows of Q and K for it.

    Args:
        x: float32 [n, heads, head_dim].
        turns: complex64 [n, 1, head_dim / 2].
    """
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2)


def _extend_all(caches: Sequence[KVCache], counts: Sequence[int]) -> None:
    """Extend every cache, or none."""
    before = [cache.length for cache in caches]
    try:
        for cache, n in zip(caches, counts):
            cache.extend(n)
    except Exception:
        for cache, length in zip(caches, before):
            cache.truncate(length)
        raise
