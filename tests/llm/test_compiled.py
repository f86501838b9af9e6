"""The compiled pass against the same model layer by layer, which torch runs."""

import numba
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lessons.kernels import packed
from lessons.llm import step
from lessons.llm.block_pool import BlockPool
from lessons.llm.compiled import parts
from lessons.llm.contiguous import ContiguousCache
from lessons.llm.gguf import GGUF
from lessons.llm.load import find_model, load
from lessons.llm.model import Llama
from lessons.llm.paged import PagedCache
from lessons.llm.weights import read_weights

TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def plain():
    return Llama(read_weights(GGUF.open(find_model())), compiled=False)


def caches(kind, config, count):
    if kind == "contiguous":
        return [ContiguousCache(config, 64) for _ in range(count)]
    pool = BlockPool(config, 32, 4)
    return [PagedCache(pool) for _ in range(count)]


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["contiguous", "paged"]),
    passes=st.lists(st.lists(st.integers(1, 4), min_size=2, max_size=2), min_size=1, max_size=3),
    last_only=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_it_gives_the_logits_of_the_plain_model(llm, plain, kind, passes, last_only, seed):
    draw = torch.Generator().manual_seed(seed)
    ours, theirs = caches(kind, llm.config, 2), caches(kind, llm.config, 2)
    for counts in passes:
        tokens = [torch.randint(0, 49152, (n,), generator=draw) for n in counts]
        got = llm.model.forward_batch(tokens, ours, last_only=last_only)
        want = plain.forward_batch(tokens, theirs, last_only=last_only)
        torch.testing.assert_close(got, want, atol=TOLERANCE, rtol=0)
    for a, b in zip(ours, theirs):
        assert a.length == b.length


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
def test_two_threads_give_the_logits_of_one(llm):
    tokens = [torch.arange(5, 10), torch.arange(3)]
    results: list[torch.Tensor] = []
    before = numba.get_num_threads()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        pair = caches("paged", llm.config, 2)
        llm.model.forward_batch(tokens, pair)
        results.append(llm.model.forward_batch(tokens, pair))
    numba.set_num_threads(before)
    assert torch.equal(*results)


def test_a_long_past_is_attended_to_in_parts(llm, plain):
    """Past 256 tokens the attention of one row is cut in parts and merged, beside a sequence that is not."""
    assert step.part_count(300) > 1
    past, new = torch.arange(300), torch.arange(40, 45)
    ours, theirs = llm.new_cache(400), llm.new_cache(400)
    plain.forward(past, ours, last_only=True)
    plain.forward(past, theirs, last_only=True)
    short, other = llm.new_cache(8), llm.new_cache(8)
    got = llm.model.forward_batch([new, new[:2]], [ours, short])
    want = plain.forward_batch([new, new[:2]], [theirs, other])
    torch.testing.assert_close(got, want, atol=TOLERANCE, rtol=0)


def test_more_rows_than_it_takes_go_layer_by_layer(llm, plain):
    tokens = torch.arange(100, 130)
    got = llm.model.forward(tokens, llm.new_cache(40))
    want = plain.forward(tokens, llm.new_cache(40))
    assert torch.equal(got, want)


@given(
    sizes=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 40)), min_size=1, max_size=5),
    most=st.integers(1, 16),
    data=st.data(),
)
def test_a_batch_is_cut_into_passes_in_order(sizes, most, data):
    before, counts = zip(*sizes)
    total = sum(counts)
    wanted = sorted(data.draw(st.sets(st.integers(0, total - 1), min_size=1)))
    lengths, seen, logits = list(before), 0, []
    for part in parts(before, counts, wanted, most):
        assert part.first == seen
        assert 1 <= part.last - part.first == sum(part.counts) <= most
        for number, length, count in zip(part.sequences, part.lengths, part.counts):
            lengths[number] += count
            assert length == lengths[number]
        assert part.logits == len(logits)
        logits += [part.first + row for row in part.wanted]
        seen = part.last
    assert seen == total and logits == wanted
    assert lengths == [old + new for old, new in sizes]


@pytest.mark.skipif(not packed.multiplies_bytes(), reason="this processor has no product of bytes")
@pytest.mark.parametrize("kind", ["contiguous", "paged"])
def test_a_long_prompt_in_whole_numbers_is_its_pieces_one_after_another(kind):
    llm = load("packed", activations="int8")
    long, short = torch.arange(100, 140), torch.arange(7, 12)
    at_once, piecewise = caches(kind, llm.config, 2), caches(kind, llm.config, 2)
    got = llm.model.forward_batch([long, short], at_once)
    want = [llm.model.forward(piece, piecewise[0]) for piece in long.split(8)]
    want.append(llm.model.forward(short, piecewise[1]))
    torch.testing.assert_close(got, torch.cat(want), atol=TOLERANCE, rtol=0)
    last = llm.model.forward_batch([long, short], caches(kind, llm.config, 2), last_only=True)
    torch.testing.assert_close(last, got[[39, 44]], atol=TOLERANCE, rtol=0)
