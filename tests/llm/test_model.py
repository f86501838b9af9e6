"""The network against transformers' logits (reference/make_logits.py) and against itself."""

import json
from pathlib import Path

import pytest
import torch

from lessons.llm.cache import CacheFull
from lessons.llm.contiguous import ContiguousCache
from lessons.llm.load import load

REFERENCE = json.loads((Path(__file__).parent / "reference" / "logits.json").read_text())
CASES = REFERENCE["cases"]
TOLERANCE = 1e-3
MARGIN = 2e-3


def test_there_are_twenty_prompts_of_different_lengths():
    assert len(CASES) == 20 and len({len(case["ids"]) for case in CASES}) >= 15


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(len(case["ids"])))
def test_logits_are_those_of_transformers(llm, case):
    ids = torch.tensor(case["ids"])
    logits = llm.model.forward(ids, llm.new_cache(len(ids)))
    assert logits.shape == (len(ids), llm.config.vocab) and logits.dtype == torch.float32
    for want in case["positions"]:
        row = logits[want["position"]]
        torch.testing.assert_close(row[want["top_ids"]], torch.tensor(want["top"]), atol=TOLERANCE, rtol=0)
        sample = row[:: REFERENCE["stride"]]
        torch.testing.assert_close(sample, torch.tensor(want["sample"]), atol=TOLERANCE, rtol=0)
        if want["top"][0] - want["top"][1] > MARGIN:
            assert int(row.argmax()) == want["top_ids"][0]


@pytest.mark.parametrize("pieces", [[1] * 40, [39, 1], [20, 5, 1, 8, 6], [1, 39]], ids=str)
def test_a_cache_changes_nothing(llm, pieces):
    """One pass over 40 tokens equals any way to feed them through the cache: prefill, decode, verification."""
    ids = torch.tensor(CASES[11]["ids"][:40])
    whole = llm.model.forward(ids, llm.new_cache(40))
    cache = llm.new_cache(64)
    parts = torch.cat([llm.model.forward(piece, cache) for piece in ids.split(pieces)])
    assert cache.length == 40
    torch.testing.assert_close(parts, whole, atol=TOLERANCE, rtol=0)


def test_a_truncated_cache_has_forgotten(llm):
    ids = torch.tensor(CASES[11]["ids"][:20])
    cache = llm.new_cache(32)
    llm.model.forward(ids[:12], cache)
    llm.model.forward(torch.tensor([1, 2, 3, 4]), cache)
    cache.truncate(12)
    after = llm.model.forward(ids[12:], cache)
    want = llm.model.forward(ids, llm.new_cache(20))[12:]
    torch.testing.assert_close(after, want, atol=TOLERANCE, rtol=0)
    for length in (-1, 21):
        with pytest.raises(ValueError, match="truncate"):
            cache.truncate(length)


@pytest.mark.slow
def test_a_batch_equals_its_sequences(llm):
    """Two sequences that decode, one that is verified and one that is prefilled, in one pass."""
    prompts = [torch.tensor(CASES[i]["ids"]) for i in (1, 3, 10, 12)]
    new = [1, 1, 3, len(prompts[3])]
    caches, singles = [], []
    for ids, n in zip(prompts, new):
        for made in (caches, singles):
            cache = llm.new_cache(80)
            if n < len(ids):
                llm.model.forward(ids[:-n], cache)
            made.append(cache)
    rows = [ids[-n:] for ids, n in zip(prompts, new)]
    batch = llm.model.forward_batch(rows, caches)
    alone = [llm.model.forward(row, cache) for row, cache in zip(rows, singles)]
    torch.testing.assert_close(batch, torch.cat(alone), atol=TOLERANCE, rtol=0)

    for cache, n in zip(caches, new):
        cache.truncate(cache.length - n)
    last = llm.model.forward_batch(rows, caches, last_only=True)
    torch.testing.assert_close(last, torch.stack([a[-1] for a in alone]), atol=TOLERANCE, rtol=0)


def test_a_full_cache_refuses_and_changes_nothing(llm):
    room, full = llm.new_cache(4), llm.new_cache(2)
    with pytest.raises(CacheFull, match="0 \\+ 3 tokens do not fit in a cache of 2"):
        llm.model.forward_batch([torch.tensor([5, 6, 7])] * 2, [room, full])
    assert room.length == full.length == 0


def test_bfloat16_weights_stay_close(llm):
    """bfloat16 keeps 8 bits of a weight. The logits' spread is some 7, so an error of 1 would be a broken path."""
    small = load("bfloat16")
    ids = torch.tensor(CASES[10]["ids"])
    want = llm.model.forward(ids, llm.new_cache(32))
    for pieces in ([len(ids)], [1] * len(ids)):
        cache = ContiguousCache(small.config, 32)
        got = torch.cat([small.model.forward(piece, cache) for piece in ids.split(pieces)])
        assert 0 < (got - want).abs().mean() < 0.2
