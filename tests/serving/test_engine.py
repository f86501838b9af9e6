"""The real model writes the same under every policy, and its pool is whole afterwards."""

import pytest
import torch

from lessons.errors import LessonError
from lessons.serving import policies
from lessons.serving.engine import Engine, run
from lessons.serving.request import Request
from lessons.serving.scheduler import RECOMPUTE, SWAP, Scheduler

MARGIN = 2e-3  # below it the order of a sum may decide between the two best tokens
BLOCK = 4


@pytest.fixture(scope="module")
def alone(llm):
    """Return logits along a text, one token a pass, remembered by text."""
    known = {}

    def along(prompt, answer):
        key = (prompt, tuple(answer))
        if key not in known:
            cache = llm.new_cache(len(prompt) + len(answer))
            step, rows = torch.tensor(prompt), []
            for token in answer:
                rows.append(llm.model.forward(step, cache, last_only=True)[0])
                step = torch.tensor([token])
            known[key] = torch.stack(rows)
        return known[key]

    return along


def is_greedy(logits, answer):
    best = logits.topk(2)
    clear = best.values[:, 0] - best.values[:, 1] > MARGIN
    return bool(clear.any()) and bool((best.indices[:, 0] == torch.tensor(answer))[clear].all())


def serve(llm, requests, policy, blocks=200, preemption=RECOMPUTE, **options):
    engine = Engine(llm, blocks, BLOCK, **{"stop": False, **options})
    # What was not written is NaN, so that reading it would show.
    engine.blocks.pool.k.fill_(torch.nan), engine.blocks.pool.v.fill_(torch.nan)
    scheduler = Scheduler(policy, engine.blocks, preemption=preemption)
    return list(run(requests, scheduler, engine)), engine


def made(prompts, tokens):
    return [Request(i, 0.0, len(p), n, p) for i, (p, n) in enumerate(zip(prompts, tokens))]


WORLDS = {
    "static": (policies.Static(3), 200, RECOMPUTE),
    "dynamic": (policies.Dynamic(3, delay=0.01), 200, RECOMPUTE),
    "continuous": (policies.Continuous(3), 200, RECOMPUTE),
    "chunked": (policies.ChunkedPrefill(3, token_budget=5), 200, RECOMPUTE),
    "recompute": (policies.Continuous(5), 16, RECOMPUTE),
    "swap": (policies.ChunkedPrefill(5, token_budget=7), 16, SWAP),
}


@pytest.mark.parametrize("name", WORLDS)
def test_every_policy_writes_what_each_request_gets_alone(llm, prompts, alone, name):
    policy, blocks, preemption = WORLDS[name]
    done, engine = serve(llm, made(prompts, (12, 7, 9, 12, 1)), policy, blocks, preemption)
    assert sorted(r.id for r in done) == [0, 1, 2, 3, 4]
    for request in done:
        assert len(request.output_ids) == request.max_tokens
        assert is_greedy(alone(request.prompt_ids, request.output_ids), request.output_ids)
    assert (sum(r.preemptions for r in done) > 0) == (name in ("recompute", "swap"))
    pool = engine.blocks.pool
    assert pool.available == pool.num_blocks == engine.blocks.free and not engine.blocks.caches
    assert len(engine.steps) > 0 and all(step.seconds > 0 for step in engine.steps)


def test_another_token_would_be_noticed(prompts, alone, llm):
    (done,), _ = serve(llm, made(prompts[:1], (3,)), policies.Continuous(1))
    assert not is_greedy(alone(done.prompt_ids, done.output_ids), [done.output_ids[0], 5, done.output_ids[2]])


def test_a_shared_beginning_is_computed_once(llm, prompts, alone):
    system = prompts[3][:16]
    requests = made([(*system, *p) for p in prompts[:3]], (4, 4, 4))
    done, engine = serve(llm, requests, policies.Continuous(1))
    computed = sum(step.work.tokens for step in engine.steps)
    assert computed == sum(r.limit - 1 for r in done) - 2 * len(system)
    for request in done:
        assert is_greedy(alone(request.prompt_ids, request.output_ids), request.output_ids)
    requests = made([(*system, *p) for p in prompts[:3]], (4, 4, 4))
    _, engine = serve(llm, requests, policies.Continuous(1), share_prefixes=False)
    assert sum(step.work.tokens for step in engine.steps) == computed + 2 * len(system)


def test_an_answer_ends_at_a_stop_token(llm):
    prompt = tuple(llm.tokenizer.encode_chat([{"role": "user", "content": "Say yes."}]))
    (done,), _ = serve(llm, made([prompt], (100,)), policies.Continuous(1), stop=True)
    assert len(done.output_ids) < 100 and done.output_ids[-1] in llm.tokenizer.stop_ids


def test_what_cannot_be_run_is_refused(llm):
    engine = Engine(llm, 1 + llm.config.context // 16)
    with pytest.raises(LessonError, match="no prompt_ids"):
        list(run([Request(0, 0.0, 3, 1)], Scheduler(policies.Continuous(1), engine.blocks), engine))
    with pytest.raises(LessonError, match="other blocks"):
        run([], Scheduler(policies.Continuous(1)), engine)
    scheduler = Scheduler(policies.Continuous(1), engine.blocks)
    context = llm.config.context
    with pytest.raises(LessonError, match=f"longest that fits has {context}"):
        scheduler.add(Request(0, 0.0, context, 1))


def test_an_interrupted_run_leaves_nothing_behind(llm, prompts):
    engine = Engine(llm, 100, BLOCK, stop=False)

    def started():
        scheduler = Scheduler(policies.Continuous(3), engine.blocks)
        return run(made(prompts[:3], (1, 9, 9)), scheduler, engine)

    next(iter(started()))
    assert engine.blocks.caches
    assert len(list(started())) == 3
    assert engine.blocks.free == engine.blocks.pool.available == 100


def test_two_requests_with_one_id_are_refused(llm, prompts):
    engine = Engine(llm, 100, BLOCK)
    requests = [Request(7, 0.0, len(p), 3, p) for p in prompts[:2]]
    with pytest.raises(LessonError, match="two requests have the id 7"):
        list(run(requests, Scheduler(policies.Continuous(2), engine.blocks), engine))
