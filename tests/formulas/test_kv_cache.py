"""The cache's closed forms against caches that are built, and against published totals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.formulas import kv_cache

small = st.integers(1, 6)


@given(layers=small, heads=small, dim=small, tokens=small, itemsize=st.sampled_from([1, 2, 4]))
def test_bytes_count_every_number_a_cache_stores(layers, heads, dim, tokens, itemsize):
    cache = {}
    for layer in range(layers):
        for token in range(tokens):
            for head in range(heads):
                for channel in range(dim):
                    cache["k", layer, token, head, channel] = cache["v", layer, token, head, channel] = 0
    per_token = kv_cache.bytes_per_token(layers, heads, dim, itemsize)
    assert kv_cache.sequence_bytes(tokens, per_token) == len(cache) * itemsize


def test_opt_13b_has_the_published_800_kb_a_token():
    """Kwon et al. 2023, section 3: 2 vectors x 5120 x 40 layers x 2 bytes, 1.6 GB for 2048 tokens."""
    per_token = kv_cache.bytes_per_token(40, 40, 128)
    assert per_token == 800 * 1024
    assert kv_cache.sequence_bytes(2048, per_token) == pytest.approx(1.6e9, rel=0.05)


@given(kv_heads=st.sampled_from([1, 2, 4, 8, 32]), devices=st.sampled_from([1, 2, 4, 8, 16]))
def test_every_head_lies_on_a_card_and_a_card_is_never_without_one(kv_heads, devices):
    """Each card takes the heads of its query heads, which are shared out evenly."""
    query_heads = 32
    first = [card * query_heads // devices for card in range(devices)]
    kept = [
        {query * kv_heads // query_heads for query in range(start, start + query_heads // devices)}
        for start in first
    ]
    assert {len(heads) for heads in kept} == {kv_cache.heads_per_device(kv_heads, devices)}
    assert set().union(*kept) == set(range(kv_heads))


def test_heads_that_cannot_be_shared_out_are_refused():
    with pytest.raises(ValueError, match="must divide the 8 K/V heads"):
        kv_cache.heads_per_device(8, 3)


@given(turns=small, shared=st.integers(0, 9), user=small, answer=st.integers(0, 9))
def test_a_conversation_sends_everything_before_it_again(turns, shared, user, answer):
    sent = {"instruction": 0, "earlier": 0, "new": 0}
    history = []
    for _ in range(turns):
        for token in ["instruction"] * shared + ["earlier"] * len(history) + ["new"] * user:
            sent[token] += 1
        history += ["q"] * user + ["a"] * answer
    prompts = kv_cache.conversation(turns, shared, user, answer)
    assert list(prompts) == list(sent.values()) and prompts.sent == sum(sent.values())


def test_a_latent_is_one_fiftieth_of_the_heads_it_replaces():
    """DeepSeek-V3's 128 heads of 128 channels would need 57 times its latent of 512 + 64."""
    heads = kv_cache.bytes_per_token(61, 128, 128)
    assert heads / kv_cache.latent_bytes_per_token(61, 512, 64) == pytest.approx(2 * 128 * 128 / 576)


@given(
    memory=st.integers(1, 10**12),
    weights=st.integers(0, 10**12),
    per=st.integers(1, 10**6),
    share=st.floats(0, 1),
)
def test_what_fits_fits_and_one_more_does_not(memory, weights, per, share):
    tokens = kv_cache.tokens_that_fit(memory, per, weights, share)
    room = share * memory - weights
    assert tokens == 0 or tokens * per <= room
    assert (tokens + 1) * per > room


@given(prompt=st.integers(1, 60), new=st.integers(1, 60), cached=st.booleans())
def test_positions_are_those_a_generation_loop_computes(prompt, new, cached):
    sequence, computed, in_cache = prompt, 0, 0
    for _ in range(new):
        computed += sequence - in_cache
        in_cache = sequence if cached else 0
        sequence += 1
    assert kv_cache.generation_positions(prompt, new, cached) == computed
