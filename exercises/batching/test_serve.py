"""What a continuous batching server with chunked prefill does in each step. Run it: pytest exercises/batching"""

import random

import pytest
from serve import serve

MIX = [(5, 3), (1, 1), (40, 7), (2, 20), (9, 2), (3, 4), (17, 1), (6, 6), (1, 9), (30, 5)]


def computed(steps, request):
    """Return the steps in which a request computed tokens, and how many."""
    return [(number, step[request]) for number, step in enumerate(steps) if request in step]


def test_one_request_alone():
    steps = serve([(4, 3)], slots=2, budget=8)
    assert steps == [{0: 4}, {0: 1}, {0: 1}], (
        "a prompt of 4 tokens fits one step, which also gives the first token; two more steps give the other two"
    )


def test_a_small_example_worked_by_hand():
    steps = serve([(2, 3), (5, 1), (1, 2)], slots=2, budget=4)
    assert steps == [{0: 2, 1: 2}, {0: 1, 1: 3}, {0: 1, 2: 1}, {2: 1}], (
        "request 1 takes what the first step has left, and finishes its prompt beside request 0; "
        "request 2 gets the slot in the step after request 1 has finished"
    )


@pytest.mark.parametrize(("slots", "budget"), [(1, 1), (2, 4), (3, 16), (8, 8), (8, 1000)])
def test_every_request_computes_all_its_tokens(slots, budget):
    steps = serve(MIX, slots, budget)
    for request, (prompt, answer) in enumerate(MIX):
        tokens = sum(n for _, n in computed(steps, request))
        assert tokens == prompt + answer - 1, (
            f"request {request} of {prompt} + {answer} tokens computed {tokens}, not {prompt + answer - 1}"
        )


@pytest.mark.parametrize(("slots", "budget"), [(1, 1), (2, 4), (3, 16), (8, 8), (8, 1000)])
def test_no_step_exceeds_its_slots_or_its_budget(slots, budget):
    for number, step in enumerate(serve(MIX, slots, budget)):
        assert len(step) <= slots, f"step {number} holds {len(step)} requests in {slots} slots"
        assert 0 < sum(step.values()) <= budget, (
            f"step {number} computes {sum(step.values())} tokens with a budget of {budget}"
        )


@pytest.mark.parametrize(("slots", "budget"), [(2, 4), (3, 16), (8, 8)])
def test_an_answer_never_stalls_for_a_prompt(slots, budget):
    steps = serve(MIX, slots, budget)
    for request, (prompt, _) in enumerate(MIX):
        done = 0
        decoding = []
        for number, tokens in computed(steps, request):
            if done >= prompt:
                decoding.append((number, tokens))
            elif done + tokens >= prompt:
                decoding.append((number, 1))  # the step that gives the first token
            done += tokens
        numbers = [number for number, _ in decoding]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), (
            f"request {request} was decoding and had no token in some step: decoding rows come before prompts"
        )
        assert all(tokens == 1 for _, tokens in decoding), f"request {request} decoded two tokens in one step"


def test_a_free_slot_is_filled_in_the_next_step():
    steps = serve([(1, 10), (1, 2), (1, 2)], slots=2, budget=8)
    assert computed(steps, 2)[0][0] == 2, (
        "request 1 finishes in the second step, so request 2 joins in the third: it must not wait for request 0"
    )


def test_nobody_overtakes():
    draw = random.Random(1)
    requests = [(draw.randint(1, 60), draw.randint(1, 20)) for _ in range(60)]
    steps = serve(requests, slots=6, budget=16)
    begun = [computed(steps, request)[0][0] for request in range(len(requests))]
    assert begun == sorted(begun), "a later request began before an earlier one"


def test_no_token_of_the_budget_is_left_while_a_prompt_could_take_it():
    steps = serve([(50, 1), (50, 1)], slots=2, budget=20)
    assert [sum(step.values()) for step in steps] == [20, 20, 20, 20, 20], (
        "two prompts of 50 tokens are five full steps of 20: what the first prompt leaves, the second takes"
    )
