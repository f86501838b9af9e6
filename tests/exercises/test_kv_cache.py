"""The numbers in the solutions of the chapter on the KV cache."""

import pytest
from pages import solution

from lessons.allocators import mix
from lessons.datasheets import accelerator, model
from lessons.formulas import kv_cache, paging
from lessons.units import format_bytes


def says(label, *numbers):
    """Assert that a solution has these numbers, and not their neighbours."""
    text = solution("kv_cache", label)
    for number in numbers:
        assert number in text, f"{label}: {number}"


def test_requests_of_a_service():
    card, shape = accelerator("h100_sxm"), model("llama-3-70b")
    assert (shape.layers, shape.heads, shape.kv_heads, shape.head_dim) == (80, 64, 8, 128)
    token = kv_cache.bytes_per_token(80, 8, 128)
    fit = kv_cache.tokens_that_fit(4 * card.memory_bytes, token, 2 * shape.parameters, share=0.9)
    each = [
        format_bytes(kv_cache.bytes_per_token(80, kv_cache.heads_per_device(8, n), 128)) for n in (4, 8, 16)
    ]
    room = format_bytes(4 * 0.9 * card.memory_bytes)
    says("ex-kv-service", format_bytes(token), room, format_bytes(2 * shape.parameters), f"{fit:,} tokens")
    says("ex-kv-service", f"{fit // 3000} requests", *(size.replace("41.0", "41") for size in each))


@pytest.mark.parametrize(
    ("spread", "where"), [(0.5, "at a half"), (1.0, "at one"), (1.5, "at one and a half")]
)
def test_the_mean_length_by_the_spread_of_the_mix(spread, where, monkeypatch):
    monkeypatch.setattr(mix, "SPREAD", spread)
    requests = mix.request_mix()
    stored = sum(o * p + o * (o - 1) / 2 for p, o in requests) / sum(o for _, o in requests)
    number = f"{stored:.0f} tokens" if spread == 0.5 else f"{stored:.0f}"
    says("ex-kv-spread", f"{number} {where}")


def test_the_largest_block_that_loses_little():
    lost = {block: paging.expected_waste(100, block) for block in (2, 4, 8, 16)}
    best = max(block for block, share in lost.items() if share < 1 / 50)
    says(
        "ex-kv-block",
        f"Blocks of {best} tokens",
        f"{100 * lost[best]:.1f} %",
        f"{100 * lost[2 * best]:.1f} %",
    )


def test_the_prefill_without_hits():
    says("ex-kv-diagnose", f"{100 * (1 - 0.82):.0f} %", f"{1 / (1 - 0.82):.1f} times")


def test_what_the_benchmark_reads():
    shape, card = model("llama-3-8b"), accelerator("h100_sxm")
    one = 512 * kv_cache.bytes_per_token(1, shape.kv_heads, shape.head_dim)
    says("ex-kv-critique", format_bytes(one), format_bytes(shape.layers * one), format_bytes(card.l2_bytes))
    assert one < card.l2_bytes < shape.layers * one


def test_a_wrong_number_is_not_in_a_solution():
    with pytest.raises(AssertionError, match="2 MB"):
        says("ex-kv-critique", "2 MB of one layer")
