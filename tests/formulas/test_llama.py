"""A step's arithmetic against a network that is built and run, and against the published counts of parameters."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lessons import datasheets
from lessons.formulas import llama

DENSE = [m for m in datasheets.table("models").values() if m.family == "llama" and m.experts == 1]


@dataclass(frozen=True)
class Sizes:
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    context: int = 64


class Built(nn.Module):
    """The products of a Llama, one matrix each as in the papers, and nothing else."""

    def __init__(self, s):
        super().__init__()
        self.s = s
        q, kv = s.heads * s.head_dim, s.kv_heads * s.head_dim
        sizes = {"q": (s.hidden, q), "k": (s.hidden, kv), "v": (s.hidden, kv), "o": (q, s.hidden)}
        sizes |= {"gate": (s.hidden, s.ffn), "up": (s.hidden, s.ffn), "down": (s.ffn, s.hidden)}
        self.layers = nn.ModuleList(
            nn.ModuleDict({name: nn.Linear(*size, bias=False) for name, size in sizes.items()})
            for _ in range(s.layers)
        )
        self.head = nn.Linear(s.hidden, s.vocab, bias=False)

    def forward(self, x, past, wanted):
        """Run tokens x [n, hidden] after ``past`` others, all pairs multiplied; logits for the last ``wanted``."""
        s = self.s
        for m in self.layers:
            q, k, v = (m[name](x).unflatten(1, (-1, s.head_dim)).transpose(0, 1) for name in "qkv")
            k, v = (torch.cat([torch.zeros(s.kv_heads, past, s.head_dim), t], 1) for t in (k, v))
            k, v = (t.repeat_interleave(s.heads // s.kv_heads, 0) for t in (k, v))
            mixed = (q @ k.transpose(1, 2)).softmax(-1) @ v
            x = x + m["o"](mixed.transpose(0, 1).flatten(1))
            x = x + m["down"](m["gate"](x) * m["up"](x))
        return self.head(x[len(x) - wanted :])


shapes = st.builds(
    lambda group, **sizes: Sizes(heads=group * sizes["kv_heads"], **sizes),
    group=st.integers(1, 3),
    layers=st.integers(1, 3),
    hidden=st.sampled_from([4, 6]),
    kv_heads=st.integers(1, 3),
    head_dim=st.sampled_from([2, 4]),
    ffn=st.integers(1, 9),
    vocab=st.integers(1, 11),
)


@settings(deadline=None, max_examples=60)
@given(shape=shapes, tokens=st.integers(1, 5), past=st.integers(0, 7), data=st.data())
def test_a_step_does_what_torch_counts(shape, tokens, past, data):
    wanted = data.draw(st.integers(1, tokens))
    model = Built(shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.ones(tokens, shape.hidden), past, wanted)
    work = llama.step(shape, tokens, wanted, weights=1, pairs=tokens * (past + tokens))
    assert work.flop == counter.get_total_flops()


@given(shapes)
def test_a_token_is_multiplied_with_every_weight_that_is_built(shape):
    model = Built(shape)
    built = sum(p.numel() for p in model.layers.parameters()), model.head.weight.numel()
    assert llama.multiplied(shape) == built
    assert llama.weight_bytes(shape) == 4 * sum(built)
    half = sum(p.untyped_storage().nbytes() for p in model.to(torch.bfloat16).parameters())
    assert llama.weight_bytes(shape, "bfloat16") == half
    for layer in model.layers:
        parts = {"qkv": "qkv", "o": ("o",), "gate_up": ("gate", "up"), "down": ("down",)}
        for name, (outputs, inputs) in llama.layer_matrices(shape).items():
            assert torch.cat([layer[part].weight for part in parts[name]]).shape == (outputs, inputs)


@pytest.mark.parametrize("model", DENSE, ids=lambda m: m.key)
def test_what_is_not_multiplied_is_embedding_norms_and_biases(model):
    rest = (2 * model.layers + 1) * model.hidden  # norms
    rest += 0 if model.tied else model.vocab * model.hidden
    rest += model.qkv_bias * model.layers * (model.heads + 2 * model.kv_heads) * model.head_dim
    rest += model.qk_norm * model.layers * 2 * model.head_dim
    assert sum(llama.multiplied(model)) + rest == model.parameters


@given(tokens=st.integers(1, 30), before=st.integers(0, 30))
def test_pairs_are_those_of_a_causal_mask(tokens, before):
    mask = torch.ones(tokens, before + tokens).tril(before)
    assert llama.causal_pairs(tokens, before) == mask.sum()


@given(shape=shapes, cached=st.integers(0, 99), itemsize=st.sampled_from([1, 2, 4]))
def test_a_step_reads_the_weights_once_and_each_cached_token_once(shape, cached, itemsize):
    keys_and_values = 2 * shape.layers * shape.kv_heads * shape.head_dim * itemsize
    for tokens in (1, 7):
        work = llama.step(shape, tokens, weights=1000, cached=cached, itemsize=itemsize)
        assert work.bytes == 1000 + cached * keys_and_values


def test_the_head_may_have_a_format_of_its_own():
    model = datasheets.model("smollm2-135m")
    layers, head = llama.multiplied(model)
    # Of 32 weights: 32 bytes and a scale; 16 bytes, a scale and a minimum.
    assert llama.weight_bytes(model, "Q4_1", "Q8_0") == layers * 20 / 32 + head * 34 / 32


def test_the_middle_of_a_prompt_wants_no_logits():
    model = datasheets.model("smollm2-135m")
    assert llama.step(model, 16, 0, weights=1).flop == 2 * 16 * llama.multiplied(model).layers


def test_bad_arguments_are_refused():
    model = datasheets.model("smollm2-135m")
    with pytest.raises(ValueError, match="head is 'Q2_K'"):
        llama.weight_bytes(model, "Q4_0", "Q2_K")
    for bad in (
        {"tokens": 0},
        {"wanted": -1},
        {"weights": 0},
        {"cached": -1},
        {"pairs": -1},
        {"itemsize": 0},
    ):
        with pytest.raises(ValueError, match=f"{next(iter(bad))} is"):
            llama.step(model, **{"tokens": 1, "weights": 1, **bad})
