"""The engine's memory, with a model so small that any wrong, lost or foreign key changes what it writes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.llm.block_pool import BlockPool
from lessons.llm.config import ModelConfig
from lessons.serving.engine import Engine, PagedBlocks, run
from lessons.serving.policies import Continuous
from lessons.serving.request import Request
from lessons.serving.scheduler import Scheduler

from .worlds import BLOCK, POLICIES, PREEMPTIONS

VOCAB = 13
CONFIG = ModelConfig(1, 2, 1, 1, 2, 2, VOCAB, 64, 1e4, 1e-5)


def next_token(token_ids):
    total = 0
    for token in token_ids:
        total = (total * 7 + int(token) + 1) % 10007
    return total % VOCAB


class Tiny:
    """Keeps each token in its place of the cache, reads all of them back, and writes ``next_token``."""

    config, device, dtype = CONFIG, torch.device("cpu"), torch.float32

    def forward_batch(self, tokens, caches, *, last_only):
        logits = torch.zeros(len(tokens), VOCAB)
        for row, new, cache in zip(logits.numpy(), tokens, caches):
            positions = np.arange(cache.length, cache.length + len(new))
            cache.extend(len(new))
            keys, blocks = cache.pool.k.numpy()[0, 0, :, :, 0], np.array(cache.blocks)
            keys[blocks[positions // BLOCK], positions % BLOCK] = new
            row[next_token(keys[blocks].ravel()[: cache.length])] = 1
        return logits


def answer(prompt, count):
    token_ids = list(prompt)
    for _ in range(count):
        token_ids.append(next_token(token_ids))
    return token_ids[len(prompt) :]


class Elsewhere(torch.Tensor):
    """A tensor of another device, as far as a computer without one can have it.

    As on CUDA, it may be indexed by what lies in the computer's memory, and nothing else may mix the two.
    """

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.Tensor.to:
            kept, target = args
            return torch.Tensor(kept).as_subclass(type(target))
        if function is torch.Tensor.cpu:
            return args[0].as_subclass(torch.Tensor)
        devices = {type(x) for x in args if isinstance(x, torch.Tensor)}
        if len(devices) > 1:
            raise RuntimeError(f"{function.__name__}: expected all tensors to be on the same device")
        return super().__torch_function__(function, types, args, kwargs or {})


BEGINNINGS = (range(12), range(11, -1, -1))
# (which beginning, how much of it, tokens of its own, tokens to write)
ROWS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 12),
        st.lists(st.integers(0, 9), min_size=1, max_size=8),
        st.integers(1, 20),
    ),
    min_size=1,
    max_size=10,
)


def serve(rows, policy, blocks, preemption, share, wrap=lambda tensor: tensor):
    requests = []
    for number, (group, shared, own, count) in enumerate(rows):
        prompt = (*BEGINNINGS[group][:shared], *own)
        requests.append(Request(number, 0.0, len(prompt), count, prompt))
    llm = SimpleNamespace(model=Tiny(), tokenizer=SimpleNamespace(stop_ids=[]))
    engine = Engine(llm, blocks, BLOCK, share_prefixes=share)
    pool = engine.blocks.pool
    pool.k, pool.v = wrap(pool.k), wrap(pool.v)
    scheduler = Scheduler(policy, engine.blocks, preemption=preemption)
    return list(run(requests, scheduler, engine)), engine


@settings(max_examples=60)
@given(ROWS, POLICIES, st.sampled_from([10, 13, 20, 60]), PREEMPTIONS, st.booleans())
def test_every_request_reads_its_own_keys_and_all_blocks_come_back(rows, policy, blocks, preemption, share):
    done, engine = serve(rows, policy, blocks, preemption, share)
    assert sorted(r.id for r in done) == list(range(len(rows)))
    for request in done:
        assert request.output_ids == answer(request.prompt_ids, request.max_tokens)
    assert engine.blocks.free == engine.blocks.pool.available == blocks


SWAPPING = [(0, 12, [1, 2, 3], 20)] * 4, Continuous(4), 13, "swap", False


def test_blocks_are_swapped_out_of_another_device_and_back():
    done, engine = serve(*SWAPPING, wrap=lambda tensor: tensor.as_subclass(Elsewhere))
    assert sum(r.preemptions for r in done) > 0
    for request in done:
        assert request.output_ids == answer(request.prompt_ids, request.max_tokens)
    pool = engine.blocks.pool
    assert isinstance(pool.k, Elsewhere) and pool.available == pool.num_blocks


def test_blocks_that_were_swapped_out_lie_in_the_computers_memory(monkeypatch):
    kinds = set()
    swap_out = PagedBlocks.swap_out

    def watched(self, request):
        swap_out(self, request)
        kinds.update(type(tensor) for tensor in self._swapped[request.id])

    monkeypatch.setattr(PagedBlocks, "swap_out", watched)
    serve(*SWAPPING, wrap=lambda tensor: tensor.as_subclass(Elsewhere))
    assert kinds == {torch.Tensor}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
def test_blocks_are_swapped_out_of_a_gpu_and_back():
    pool = BlockPool(CONFIG, 8, BLOCK, device="cuda")
    blocks = PagedBlocks(pool, CONFIG.context, share=False)
    request = Request(0, 0.0, 2 * BLOCK, 1, tuple(range(2 * BLOCK)))
    assert blocks.admit(request, 0)
    cache = blocks.caches[0]
    cache.extend(request.length)
    pool.k[:, :, cache.blocks], pool.v[:, :, cache.blocks] = 1.0, 2.0
    request.computed = request.length
    blocks.swap_out(request)
    pool.k.zero_(), pool.v.zero_()
    assert blocks.admit(request, 0)
    back = blocks.caches[0].blocks
    assert (pool.k[:, :, back] == 1).all() and (pool.v[:, :, back] == 2).all()


def test_a_key_that_is_lost_would_be_noticed(monkeypatch):
    """Swapping in zeros instead of what was swapped out changes an answer."""
    swap_out = PagedBlocks.swap_out

    def forgetful(self, request):
        swap_out(self, request)
        self._swapped[request.id] = tuple(torch.zeros_like(x) for x in self._swapped[request.id])

    done, _ = serve(*SWAPPING)
    assert sum(r.preemptions for r in done) > 0
    good = {r.id: r.output_ids for r in done}
    monkeypatch.setattr(PagedBlocks, "swap_out", forgetful)
    done, _ = serve(*SWAPPING)
    assert {r.id: r.output_ids for r in done} != good
