"""A Llama-shaped network that can be trained: the book's other model only runs forward."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy, linear, rms_norm, scaled_dot_product_attention, silu

from lessons.formulas.training import TrainingShape


class Block(nn.Module):
    """Attention and a gated feed-forward block, each behind a norm and added to the residual stream."""

    def __init__(self, shape: TrainingShape) -> None:
        super().__init__()
        hidden, ffn = shape.hidden, shape.ffn
        self.heads = shape.heads
        self.norms = nn.ParameterList(torch.ones(hidden) for _ in range(2))
        self.q, self.k, self.v, self.o = (nn.Linear(hidden, hidden, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(hidden, ffn, bias=False) for _ in range(2))
        self.down = nn.Linear(ffn, hidden, bias=False)

    def forward(self, x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
        """Return the residual stream after this block; x is [batch, sequence, hidden]."""
        n = rms_norm(x, (x.shape[-1],), self.norms[0], 1e-5)
        maps = (self.q, self.k, self.v)
        q, k, v = (m(n).unflatten(-1, (self.heads, -1)) for m in maps)
        # Turned before the transposition, all lie in the order of tokens, and so
        # does what attention returns. In the order of heads autograd would keep
        # a second copy of it.
        q, k = rotate(q, turns), rotate(k, turns)
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        mixed = scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).flatten(2))
        n = rms_norm(x, (x.shape[-1],), self.norms[1], 1e-5)
        return x + self.down(silu(self.gate(n)) * self.up(n))


class TrainableLlama(nn.Module):
    """The whole network. Weights are seeded, not trained: neither speed nor memory depends on their values."""

    turns: torch.Tensor

    def __init__(self, shape: TrainingShape) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab, shape.hidden)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.hidden))
        self.head = nn.Linear(shape.hidden, shape.vocab, bias=False)
        self.register_buffer("turns", rotary_turns(shape))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits [batch, sequence, vocab] for tokens, int64 [batch, sequence]."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.turns)
        return linear(rms_norm(x, (x.shape[-1],), self.norm, 1e-5), self.head.weight)

    def loss(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of each next token; the last one foresees the first, to keep sizes round."""
        return cross_entropy(self(tokens).flatten(0, 1), tokens.roll(-1, 1).flatten())


def rotary_turns(shape: TrainingShape) -> torch.Tensor:
    """Return cosines and sines of the rotary angles, float32 [2, sequence, 1, head_dim / 2]."""
    width = shape.hidden // shape.heads
    pairs = torch.arange(0, width, 2, dtype=torch.float32) / width
    angles = torch.outer(torch.arange(shape.sequence, dtype=torch.float32), 1e4**-pairs)
    return torch.stack([angles.cos(), angles.sin()])[:, :, None]


def rotate(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Turn the two halves of each head, [batch, sequence, heads, head_dim], by their positions' angles."""
    (cos, sin), (a, b) = turns, x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def random_tokens(shape: TrainingShape, device: str = "cpu") -> torch.Tensor:
    """Return a seeded batch of tokens, int64 [batch, sequence]."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(shape.vocab, (shape.batch, shape.sequence), generator=generator).to(device)
