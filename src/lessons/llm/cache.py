"""What the model remembers of one sequence: the keys and values of its past tokens, behind one interface.

The model knows only this interface. How the bytes lie (one run, or blocks behind a table) is the cache's own
affair, and so is attention, because the layout decides how attention reads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lessons.errors import LessonError

if TYPE_CHECKING:
    import numpy as np
    import torch


class CacheFull(LessonError):
    """There is no room for the next tokens; nothing was changed."""


class Layout(NamedTuple):
    """Where a sequence's keys and values lie, for code that reads and writes them by address.

    Attributes:
        k, v: float32 on the CPU, without gaps; [layers, kv_heads, ..., head_dim] with ``pool_tokens`` tokens in
            the middle.
        pool_tokens: tokens for which there is room in k and v, other sequences' included.
        block_size: adjacent tokens.
        table: int32 [blocks]: token p lies in block table[p // block_size], at p % block_size.
    """

    k: torch.Tensor
    v: torch.Tensor
    pool_tokens: int
    block_size: int
    table: np.ndarray


class KVCache(ABC):
    """Keys and values of one sequence, in every layer.

    One step of the model over ``n`` new tokens is::

        cache.extend(n)                          # room for n more tokens, or CacheFull
        for layer in range(layers):
            out = cache.attend(layer, q, k, v)   # stores k and v of the n newest tokens, then attends

    Attributes:
        length: tokens stored. Until every layer of a step has attended, the newest ``n`` are only reserved.
    """

    length: int

    @abstractmethod
    def extend(self, n: int) -> None:
        """Make room for ``n`` more tokens and count them in ``length``.

        Raises:
            CacheFull: when they do not fit; the cache is then as it was.
        """

    @abstractmethod
    def attend(self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Store the keys and values of the newest ``n`` tokens and attend to everything up to each of them.

        Args:
            layer: which layer, from 0.
            q: [n, heads, head_dim], already rotated by position.
            k: [n, kv_heads, head_dim], already rotated.
            v: [n, kv_heads, head_dim].

        Returns:
            [n, heads, head_dim] in q's dtype: row i attends to tokens 0 .. length - n + i.
        """

    def layout(self) -> Layout | None:
        """Return where keys and values lie, or None when only ``attend`` can find its way there."""
        return None

    @abstractmethod
    def truncate(self, length: int) -> None:
        """Forget all tokens from position ``length`` on, as speculation does with rejected ones.

        Raises:
            ValueError: when ``length`` is negative or more than is stored.
        """

    @classmethod
    def attend_batch(
        cls,
        caches: Sequence[KVCache],
        counts: Sequence[int],
        layer: int,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
    ) -> torch.Tensor:
        """Attend for several sequences whose new tokens lie one after another in ``q``, ``k`` and ``v``.

        This one goes sequence by sequence. A cache with a kernel for whole batches overrides it.

        Args:
            caches: one cache a sequence, all of this class.
            counts: how many of the rows belong to each sequence; their sum is the number of rows.
            layer, q, k, v: as for ``attend``.

        Returns:
            [rows, heads, head_dim].
        """
        import torch

        if len(caches) == 1:
            return caches[0].attend(layer, q, k, v)
        pieces = zip(caches, q.split(counts), k.split(counts), v.split(counts))
        return torch.cat([cache.attend(layer, *rows) for cache, *rows in pieces])
