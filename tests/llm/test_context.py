"""Nothing is read or written past the model's context, on whatever path a pass takes."""

import gguf_writer
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.errors import LessonError
from lessons.llm.block_pool import BlockPool
from lessons.llm.contiguous import ContiguousCache
from lessons.llm.model import Llama
from lessons.llm.paged import PagedCache
from lessons.llm.weights import read_weights

CONTEXT = gguf_writer.TINY["context_length"]
PATHS = ("plain", "compiled", "packed, float32", "packed, int8")


@pytest.fixture(scope="module", params=PATHS)
def model(request, open_bytes):
    kind, _, arithmetic = request.param.partition(", ")
    file = open_bytes(gguf_writer.llama(types={"*": "Q8_0"} if arithmetic else {}))
    made = Llama(read_weights(file, arithmetic=arithmetic or None), compiled=kind != "plain")
    assert (made._compiled is None) == (kind == "plain")
    return made


def caches(config, kind, count=1):
    if kind == "contiguous":
        return [ContiguousCache(config) for _ in range(count)]
    # Room for far more than a context, as in a service: only the model knows where a sequence has to end.
    pool = BlockPool(config, 64, 4)
    return [PagedCache(pool) for _ in range(count)]


@pytest.mark.parametrize("kind", ["contiguous", "paged"])
@settings(max_examples=15, deadline=None)
@given(before=st.integers(0, CONTEXT), new=st.integers(1, 2 * CONTEXT), beside=st.booleans())
def test_a_sequence_ends_with_the_context(model, kind, before, new, beside):
    long, *short = caches(model.config, kind, 1 + beside)
    if before:
        model.forward(torch.arange(before), long)
    rows, both = [torch.arange(new) % 7, *[torch.tensor([3])] * beside], [long, *short]
    if before + new <= CONTEXT:
        assert torch.isfinite(model.forward_batch(rows, both)).all()
        assert [cache.length for cache in both] == [before + new] + [1] * beside
    else:
        with pytest.raises(
            LessonError,
            match=f"position {before + new - 1} is past the model's context of {CONTEXT} tokens.*shorten",
        ):
            model.forward_batch(rows, both)
        assert [cache.length for cache in both] == [before] + [0] * beside


@pytest.mark.parametrize("arithmetic", [None, "float32"])
def test_the_whole_context_is_used(open_bytes, arithmetic):
    """At the last position compiled code still finds what torch does."""
    file = open_bytes(gguf_writer.llama(types={"*": "Q8_0"} if arithmetic else {}))
    logits = []
    for compiled in (True, False):
        model = Llama(read_weights(file, arithmetic=arithmetic), compiled=compiled)
        (cache,) = caches(model.config, "contiguous")
        model.forward(torch.arange(CONTEXT - 1), cache)
        logits.append(model.forward(torch.tensor([5]), cache))
    torch.testing.assert_close(*logits, atol=1e-3, rtol=0)


@pytest.mark.parametrize("capacity", [-1, 0, CONTEXT + 1, 1 << 40])
def test_a_cache_longer_than_the_context_is_refused_before_it_is_made(model, capacity):
    with pytest.raises(LessonError, match=f"for {capacity} tokens .* context is {CONTEXT}; ask for 1 to"):
        ContiguousCache(model.config, capacity)
