"""The Llama network, forward only: tokens in, logits out, top to bottom.

A layer is attention and a feed-forward block, each behind an RMSNorm and each added to the residual stream::

    x = x + O(attention(rope(Q n), rope(K n), V n))      n = rms_norm(x)
    x = x + D(silu(G n) * U n)                           n = rms_norm(x)

Q, K and V are kept as one matrix and G and U as one, so that a layer is four products.

Source:
    Touvron et al. 2023, arXiv:2302.13971; RMSNorm: Zhang and Sennrich 2019, arXiv:1910.07467; rotary
    positions: Su et al. 2021, arXiv:2104.09864; SwiGLU: Shazeer 2020, arXiv:2002.05202.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch.nn.functional import silu

from lessons.errors import LessonError
from lessons.kernels.packed import pack, side_by_side
from lessons.kernels.rms_norm import rms_norm
from lessons.llm.cache import KVCache
from lessons.llm.compiled import CompiledPass
from lessons.llm.config import ModelConfig
from lessons.llm.gguf import GGUF
from lessons.llm.linear import PackedMatrix, Weights, linear, lookup
from lessons.llm.quant import BLOCK, codes, read_tensor


@dataclass(frozen=True)
class Layer:
    """The weights of one transformer block.

    Attributes:
        attn_norm, ffn_norm: float32 [hidden].
        qkv: [(heads + 2 kv_heads) head_dim, hidden].
        o: [hidden, heads head_dim].
        gate_up: [2 ffn, hidden], the gate's rows first.
        down: [hidden, ffn].
    """

    attn_norm: torch.Tensor
    qkv: Weights
    o: Weights
    ffn_norm: torch.Tensor
    gate_up: Weights
    down: Weights


class Llama:
    """A Llama model whose weights are read from an open GGUF file.

    Norms, rotary angles and the residual stream are float32 whatever the weights are.

    Args:
        file: the open file.
        dtype: of the matrices: float32 or bfloat16.
        device: where they lie.
        through: applied to each matrix, float32 [n, k], before it is stored; for copies whose weights went
            through a coarser format.

    Attributes:
        config: the model's shape.
        embedding: [vocab, hidden]; it is also the output head (tied).
        layers: the blocks' weights.

    Raises:
        LessonError: when the file is no Llama or lacks a tensor.
    """

    def __init__(
        self,
        file: GGUF,
        *,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
        through: Callable[[np.ndarray], np.ndarray] | None = None,
        arithmetic: str | None = None,
        compiled: bool = True,
    ) -> None:
        self.config = config = ModelConfig.from_gguf(file.metadata)
        self.device = torch.device(device)
        self.dtype = dtype

        def matrix(*names: str) -> Weights:
            if arithmetic is not None:
                return packed_matrix(file, names, arithmetic, device)
            parts = [read_tensor(file, f"{name}.weight") for name in names]
            parts = [through(part) if through else part for part in parts]
            return torch.from_numpy(np.concatenate(parts) if len(parts) > 1 else parts[0]).to(device, dtype)

        def vector(name: str) -> torch.Tensor:
            return torch.from_numpy(read_tensor(file, f"{name}.weight")).to(device)

        self.embedding = matrix("token_embd")
        self.output_norm = vector("output_norm")
        self.layers = [
            Layer(
                attn_norm=vector(f"blk.{i}.attn_norm"),
                qkv=matrix(f"blk.{i}.attn_q", f"blk.{i}.attn_k", f"blk.{i}.attn_v"),
                o=matrix(f"blk.{i}.attn_output"),
                ffn_norm=vector(f"blk.{i}.ffn_norm"),
                gate_up=matrix(f"blk.{i}.ffn_gate", f"blk.{i}.ffn_up"),
                down=matrix(f"blk.{i}.ffn_down"),
            )
            for i in range(config.layers)
        ]
        if arithmetic is not None and self.device.type == "cpu":
            self.layers, self.embedding = in_order_of_use(self.layers, self.embedding)
        self.turns = rotary_turns(config).to(device)
        self._compiled = CompiledPass(self) if compiled and CompiledPass.takes(self) else None

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
        x = lookup(self.embedding, torch.cat(list(tokens)).to(self.device))
        if len(starts) == 1:  # the common case, as a view
            turns = self.turns[starts[0] : starts[0] + counts[0]]
        else:
            turns = torch.cat([self.turns[start : start + n] for start, n in zip(starts, counts)])
        for index, layer in enumerate(self.layers):
            x = x + self._attention(index, layer, x, turns, caches, counts)
            x = x + self._feed_forward(layer, x)
        return linear(self._norm(x[wanted], self.output_norm), self.embedding)

    def _check_positions(self, starts: Sequence[int], counts: Sequence[int]) -> None:
        """Refuse positions that have no rotary angle. This is the one place: compiled code would read on and on."""
        last = max(start + n for start, n in zip(starts, counts)) - 1
        limit = self.config.context_length
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


def in_order_of_use(layers: list[Layer], embedding: Any) -> tuple[list[Layer], PackedMatrix]:
    """Return a packed model's matrices in one piece of memory, as a token meets them."""
    names = ("qkv", "o", "gate_up", "down")
    matrices = [getattr(layer, name) for layer in layers for name in names] + [embedding]
    moved = side_by_side([matrix.packed for matrix in matrices])
    made = iter([replace(matrix, packed=packed) for matrix, packed in zip(matrices, moved)])
    return [replace(layer, **{name: next(made) for name in names}) for layer in layers], next(made)


def packed_matrix(
    file: GGUF, names: Sequence[str], arithmetic: str, device: str | torch.device = "cpu"
) -> PackedMatrix:
    """Return matrices of the file on a device, one under the other, in the blocks they are stored in.

    Raises:
        GGUFError: when the file has no such tensor.
        ValueError: when the matrices are stored in different formats, or in none with blocks.
    """
    parts, types, columns = [], set(), 0
    for name in names:
        data, info = file.data(f"{name}.weight"), file.tensors[f"{name}.weight"]
        parts.append(codes(data, info.type.name))
        types.add(info.type.name)
        columns = info.shape[-1]
    if len(types) > 1:
        raise ValueError(f"{', '.join(names)} are stored as {', '.join(sorted(types))}; one format is wanted")
    q, scales, minima = zip(*parts)
    return PackedMatrix(
        pack(
            np.concatenate(q).reshape(-1, columns),
            np.concatenate(scales).reshape(-1, columns // BLOCK),
            None if minima[0] is None else np.concatenate(minima).reshape(-1, columns // BLOCK),
            format=types.pop(),
        ).to(device),
        arithmetic,
    )


def rotary_turns(config: ModelConfig) -> torch.Tensor:
    """Return each pair's rotation at each position, complex64 [context_length, 1, head_dim / 2].

    Pair i at position p turns by the angle p / base^(2 i / head_dim); as a complex number, exp(i angle).
    """
    pairs = torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim
    angles = torch.outer(torch.arange(config.context_length, dtype=torch.float64), config.rope_base**-pairs)
    return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)[:, None]


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
