"""The plain KV cache: one run of memory a sequence, reserved for its longest possible length."""

from __future__ import annotations

import torch

from lessons.errors import LessonError
from lessons.kernels.attention import decode
from lessons.kernels.attention.cpu import ONE_BLOCK
from lessons.llm import attention
from lessons.llm.cache import CacheFull, KVCache, Layout
from lessons.llm.config import ModelConfig


class ContiguousCache(KVCache):
    """Keys and values in two tensors [layers, kv_heads, capacity, head_dim].

    A head's tokens lie one after another, so that attention reads each head as one stream. The price is that
    ``capacity`` tokens are reserved from the start, however few arrive.

    Args:
        config: the model's shape.
        capacity: the longest sequence in tokens; the model's context where None.
        dtype: of the stored keys and values.
        device: where they lie.

    Raises:
        LessonError: when the capacity is not from 1 to the model's context.
    """

    def __init__(
        self,
        config: ModelConfig,
        capacity: int | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> None:
        self.length = 0
        self.capacity = config.context if capacity is None else capacity
        if not 1 <= self.capacity <= config.context:
            raise LessonError(
                f"a cache for {self.capacity} tokens does not suit the model, whose context is "
                f"{config.context}; ask for 1 to {config.context} tokens"
            )
        shape = (config.layers, config.kv_heads, self.capacity, config.head_dim)
        # empty, not zeros: pages that no token reaches are then never touched, and cost no memory on the CPU.
        self.k = torch.empty(shape, dtype=dtype, device=device)
        self.v = torch.empty(shape, dtype=dtype, device=device)

    def extend(self, n: int) -> None:
        if self.length + n > self.capacity:
            raise CacheFull(
                f"{self.length} + {n} tokens do not fit in a cache of {self.capacity}; "
                "shorten the prompt, ask for fewer tokens, or give the cache more capacity"
            )
        self.length += n

    def attend(self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        keys, values = self.k[layer], self.v[layer]
        start = self.length - q.shape[0]
        keys[:, start : self.length] = k.transpose(0, 1)
        values[:, start : self.length] = v.transpose(0, 1)
        if attention.few(q, keys):
            return decode(q, keys, values, self.length)
        return attention.causal(q, keys, values, self.length)

    def layout(self) -> Layout | None:
        if self.k.dtype != torch.float32 or self.k.device.type != "cpu":
            return None
        return Layout(self.k, self.v, self.capacity, self.capacity, ONE_BLOCK)

    def truncate(self, length: int) -> None:
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot truncate a cache of {self.length} tokens to {length}")
        self.length = length
