"""The engine thread: cancelled and failed requests give their blocks back, and the others never notice."""

from queue import Queue

import pytest
import torch

from lessons.errors import LessonError
from lessons.llm.sampling import SamplingParams
from lessons.serving.server import build

GREEDY = SamplingParams()
DRAWN = SamplingParams(temperature=1.0)


class Service:
    """A worker whose outputs land in a queue."""

    def __init__(self, llm, **options):
        self.worker = build(llm, **options).worker
        self.blocks = self.worker.engine.blocks
        self.inbox = Queue()

    def __enter__(self):
        self.worker.start(lambda outputs: [self.inbox.put(pair) for pair in outputs])
        return self

    def __exit__(self, *error):
        self.worker.stop()
        assert not self.worker.alive

    def submit(self, prompt, tokens, params=GREEDY, seed=None):
        return self.worker.submit(prompt, tokens, params, seed, True, None)

    def collect(self, *jobs):
        """Wait until these jobs have ended; return the tokens of each, or its error."""
        found, open_jobs = {job: [] for job in jobs}, set(jobs)
        while open_jobs:
            job, output = self.inbox.get(timeout=60)
            if job not in found:
                continue
            if output.error is not None:
                found[job] = output.error
            else:
                found[job].append(output.token)
            if output.error or output.finish_reason:
                open_jobs.discard(job)
        return [found[job] for job in jobs]

    def whole(self):
        """Tell whether nobody holds or was promised a block."""
        return self.blocks.free == self.blocks.total and not self.blocks.caches


class Failing:
    """A model whose passes fail when a token is among their input."""

    def __init__(self, model, token):
        self.model, self.token = model, token

    def __getattr__(self, name):
        return getattr(self.model, name)

    def forward_batch(self, tokens, caches, **options):
        logits = self.model.forward_batch(tokens, caches, **options)
        if self.token in torch.cat(list(tokens)):  # after the caches took their blocks: the hard case
            raise RuntimeError("out of luck")
        return logits


def test_a_failed_step_ends_its_requests_and_no_others(llm, prompts):
    with Service(llm, slots=1, blocks=40) as service:
        (expected,) = service.collect(service.submit(prompts[0], 5))
        engine = service.worker.engine
        engine.model = Failing(engine.model, token=7)
        jobs = [service.submit(p, 5) for p in (prompts[0], (*prompts[2], 7), prompts[0])]
        first, failed, last = service.collect(*jobs)
        assert failed == "the model call failed: out of luck"
        assert first == last == expected
    assert service.whole()
    assert b"lessons:request_errors_total 1.0" in service.worker.metrics.text()


@pytest.mark.parametrize("fault", ["arrange", "add"])
def test_a_request_that_cannot_be_taken_in_ends_alone(llm, prompts, monkeypatch, fault):
    with Service(llm, slots=2, blocks=40) as service:
        (expected,) = service.collect(service.submit(prompts[0], 5))
        owner = service.worker.engine if fault == "arrange" else service.worker.scheduler
        inner = getattr(owner, fault)

        def sometimes(first, *rest):
            if fault == "add" and first.prompt_ids == prompts[2]:
                raise MemoryError("no room")
            inner(first, *rest)
            if fault == "arrange" and rest[0] is DRAWN:  # what was arranged has to be forgotten again
                raise MemoryError("no room")

        monkeypatch.setattr(owner, fault, sometimes)
        jobs = [service.submit(prompts[0], 5), service.submit(prompts[2], 5, DRAWN, 3)]
        first, failed = service.collect(*jobs)
        (last,) = service.collect(service.submit(prompts[0], 5))
        assert failed.startswith("the request could not be taken in: ") and first == last == expected
        assert not service.worker.engine._drawn
    assert service.whole()
    assert b"lessons:request_errors_total 1.0" in service.worker.metrics.text()


def test_a_request_can_be_cancelled_at_any_moment(llm, prompts):
    with Service(llm, slots=1, blocks=40) as service:
        running, waiting = service.submit(prompts[0], 300), service.submit(prompts[2], 300)
        assert service.inbox.get(timeout=60)[0] is running
        for job in (waiting, running, running):
            service.worker.cancel(job)
        late = service.submit(prompts[4], 2)
        (tokens,) = service.collect(late)
        assert len(tokens) == 2 and running.sent < 300 and waiting.sent == 0
        service.worker.cancel(late)
    assert service.whole()
    assert b'lessons:request_success_total{finished_reason="abort"} 2.0' in service.worker.metrics.text()


def test_stopping_tells_who_still_waits(llm, prompts):
    with Service(llm, slots=1, blocks=40) as service:
        jobs = service.submit(prompts[0], 300), service.submit(prompts[2], 300)
        service.inbox.get(timeout=60)
    assert service.collect(*jobs) == ["the engine has stopped"] * 2


def test_a_request_that_comes_while_the_engine_ends_is_refused_and_not_lost(llm, prompts):
    service, refused = Service(llm, slots=1, blocks=40), []

    def deliver(outputs):
        for pair in outputs:
            service.inbox.put(pair)
            if (
                pair[1].error is not None
            ):  # the inbox was emptied for the last time, and the thread still runs
                assert service.worker.alive
                with pytest.raises(LessonError, match="the engine has stopped") as caught:
                    service.submit(prompts[0], 3)
                refused.append(caught.value)

    service.worker.start(deliver)
    job = service.submit(prompts[0], 300)
    service.inbox.get(timeout=60)
    service.worker.stop()
    assert service.collect(job) == ["the engine has stopped"] and len(refused) == 1
    with pytest.raises(LessonError, match="start the server again"):
        service.submit(prompts[0], 3)


def test_a_request_that_never_fits_is_refused_alone(llm, prompts):
    with Service(llm, slots=2, blocks=2) as service:
        refused, tokens = service.collect(service.submit(prompts[0], 32), service.submit(prompts[0], 3))
        assert "longest that fits has 32" in refused and len(tokens) == 3


def test_a_seed_gives_the_same_tokens_in_any_company(llm, prompts):
    long = prompts[1] + prompts[3]
    with Service(llm, slots=1, blocks=80) as service:
        (alone,) = service.collect(service.submit(long, 6, DRAWN, seed=3))
        (other,) = service.collect(service.submit(long, 6, DRAWN, seed=4))
    with Service(llm, slots=4, blocks=80, policy="chunked") as service:
        engine = service.worker.scheduler
        engine.policy = type(engine.policy)(4, token_budget=5)  # the prompt comes in pieces
        jobs = [service.submit(p, 8, DRAWN) for p in prompts[:2]]
        assert service.collect(service.submit(long, 6, DRAWN, seed=3), *jobs)[0] == alone
    assert alone != other


@pytest.mark.parametrize("options", [{"slots": 0}, {"blocks": 0}, {"policy": "static"}])
def test_impossible_settings_are_refused(llm, options):
    with pytest.raises(LessonError):
        build(llm, **options)
