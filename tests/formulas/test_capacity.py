"""Capacity's counts against models that are built, and against the published tables."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lessons.formulas import capacity


def count(*modules):
    return sum(p.numel() for m in modules for p in m.parameters())


@given(
    layers=st.integers(1, 3),
    kv_heads=st.integers(1, 2),
    group=st.integers(1, 3),
    head_dim=st.sampled_from([2, 4]),
    ffn=st.integers(1, 9),
    vocab=st.integers(1, 11),
    tied=st.booleans(),
    bias=st.booleans(),
    qk_norm=st.booleans(),
    experts=st.integers(1, 3),
)
def test_a_llama_built_from_modules_has_as_many_parameters(
    layers, kv_heads, group, head_dim, ffn, vocab, tied, bias, qk_norm, experts
):
    hidden, heads = 6, kv_heads * group
    total = count(nn.Embedding(vocab, hidden), nn.RMSNorm(hidden))
    total += 0 if tied else count(nn.Linear(hidden, vocab, bias=False))
    for _ in range(layers):
        total += count(
            nn.Linear(hidden, heads * head_dim, bias=bias),
            nn.Linear(hidden, kv_heads * head_dim, bias=bias),
            nn.Linear(hidden, kv_heads * head_dim, bias=bias),
            nn.Linear(heads * head_dim, hidden, bias=False),
            nn.RMSNorm(hidden),
            nn.RMSNorm(hidden),
        )
        total += count(nn.RMSNorm(head_dim), nn.RMSNorm(head_dim)) if qk_norm else 0
        total += count(nn.Linear(hidden, experts, bias=False)) if experts > 1 else 0
        for _ in range(experts):
            total += 3 * count(nn.Linear(hidden, ffn, bias=False))
    shape = (layers, hidden, heads, kv_heads, head_dim, ffn, vocab)
    assert capacity.llama_parameters(*shape, tied, bias, qk_norm, experts) == total


def test_a_gpt_built_from_modules_has_as_many_parameters():
    layer = nn.TransformerEncoderLayer(d_model=12, nhead=3, dim_feedforward=40)
    total = 2 * count(layer) + count(nn.LayerNorm(12), nn.Embedding(17, 12), nn.Embedding(9, 12))
    assert capacity.gpt_parameters(layers=2, hidden=12, ffn=40, vocab=17, positions=9) == total


def test_weights_are_as_large_as_torch_stores_them():
    model = nn.Linear(31, 17).to(torch.bfloat16)
    stored = sum(p.untyped_storage().nbytes() for p in model.parameters())
    assert capacity.parameter_bytes(31 * 17 + 17, 2) == stored


def test_zero_reproduces_the_published_example():
    """Rajbhandari et al., figure 1: 7.5B parameters on 64 devices; section 5's 1.5B model in one: 24 GB."""
    stages = [capacity.zero_bytes(7.5e9, 64, stage) / 1e9 for stage in range(4)]
    assert stages == pytest.approx([120, 31.4, 16.6, 1.9], abs=0.05)
    assert capacity.zero_bytes(1.5e9) == 24e9


@given(devices=st.integers(1, 4096), parameters=st.floats(1e6, 1e12))
def test_stages_only_ever_save_and_the_last_saves_everything_there_is(devices, parameters):
    held = [capacity.zero_bytes(parameters, devices, stage) for stage in range(4)]
    assert held == sorted(held, reverse=True)
    assert held[3] == pytest.approx(held[0] / devices)


def test_activations_reproduce_the_published_shares():
    """Korthikanti et al.: for GPT-3 the score term is 80 sbh, and dropping it saves 70 %."""
    gpt3 = {"sequence": 2048, "batch": 1, "hidden": 12288, "heads": 96}
    everything = capacity.activation_bytes(**gpt3)
    selective = capacity.activation_bytes(**gpt3, recompute="selective")
    assert (everything - selective) / (2048 * 12288) == pytest.approx(80)
    assert 1 - selective / everything == pytest.approx(0.70, abs=0.005)


@given(s=st.integers(1, 4096), b=st.integers(1, 8), a=st.integers(1, 64), t=st.integers(1, 8))
def test_activations_add_up_from_the_tensors_kept(s, b, a, t):
    """Sum the tensors of one layer by name: h is split by tensor parallelism where the tensor is."""
    h, numbers = 64 * a, s * b
    half, mask = 2, 1
    kept_whole = (
        numbers * h * (half + half + mask + half + half + mask)
    )  # both norms' inputs, block inputs, dropout
    kept_split = numbers * h * (half * 3 + half) + numbers * 4 * h * (half + half)  # q, k, v, projection; MLP
    scores = a * s * s * b * (half + mask + half)  # softmax output, its dropout's mask and output
    total = kept_whole + kept_split / t + scores / t
    assert capacity.activation_bytes(s, b, h, a, tensor_parallel=t) == pytest.approx(total)
    both = capacity.activation_bytes(s, b, h, a, tensor_parallel=t, sequence_parallel=True)
    assert both == pytest.approx(capacity.activation_bytes(s, b, h, a) / t)
    assert capacity.activation_bytes(s, b, h, a, recompute="full") == numbers * h * half


def test_unknown_stage_and_recomputation_are_refused():
    with pytest.raises(ValueError, match="stage is 4"):
        capacity.zero_bytes(1e9, stage=4)
    with pytest.raises(ValueError, match="'selective'"):
        capacity.activation_bytes(1, 1, 1, 1, recompute="half")
