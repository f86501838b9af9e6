"""Generation end to end on the real model."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lessons.errors import LessonError
from lessons.llm import speculative
from lessons.llm.drafters import PromptLookup
from lessons.llm.generate import check_request, generate

PROMPT = "The capital of France is"


@pytest.mark.slow
def test_greedy_is_the_argmax_of_uncached_passes(llm):
    """Ten tokens from the loop equal those of full passes over the growing text, where no tie decides."""
    result = generate(llm, PROMPT, 10)
    ids = llm.tokenizer.encode(PROMPT)
    assert " Paris" in result.text and len(result.token_ids) == 10 and result.finish_reason == "length"
    for token in result.token_ids:
        row = llm.model.forward(torch.tensor(ids), llm.new_cache(len(ids)), last_only=True)[0]
        best = row.topk(2).values
        if best[0] - best[1] > 2e-3:
            assert int(row.argmax()) == token
        ids.append(token)


def test_the_answer_ends_at_the_end_token(llm):
    prompt = llm.tokenizer.encode_chat([{"role": "user", "content": "Say only: yes."}])
    result = generate(llm, prompt, 60)
    assert result.finish_reason == "stop" and result.token_ids[-1] == llm.tokenizer.eos_id
    assert "<|im_end|>" not in result.text
    assert result.prompt_tokens == len(prompt)
    assert len(result.decode_seconds) == len(result.token_ids) - 1 and min(result.decode_seconds) > 0


def test_a_seed_fixes_the_draws(llm):
    def draw(seed):
        return generate(llm, "Once upon a time", 8, temperature=1.0, seed=seed).token_ids

    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(4)}) > 1


def test_a_stop_text_is_left_out(llm):
    plain = generate(llm, PROMPT, 12).text
    stop = plain[8:10]
    result = generate(llm, PROMPT, 12, stop=["never there", stop])
    assert result.text == plain[: plain.index(stop)] and result.finish_reason == "stop"


def test_a_stop_text_may_stand_alone(llm):
    """As a list of its characters it would end the answer at the first letter that is in it."""
    assert generate(llm, "One, two, three,", 12, stop="six").text == " four, five, "
    assert generate(llm, "One, two, three,", 12, stop=None).text == generate(llm, "One, two, three,", 12).text


WRONG = {
    "an empty prompt": ({"prompt": ""}, "the prompt holds no tokens"),
    "no ids": ({"prompt": []}, "the prompt holds no tokens"),
    "bytes without a token": ({"prompt": "\x04\x06\x13\x14\x16\x1d"}, "which the model has no token for"),
    "bytes": ({"prompt": b"Hi"}, "the prompt is b'Hi'; give text, or a list of token ids"),
    "a number": ({"prompt": 5}, "the prompt is 5; give text"),
    "half a character": (
        {"prompt": "caf\udce9"},
        r"character 3 of the prompt is '\\udce9', which is half of one",
    ),
    "an id past the end": ({"prompt": [5, 49152]}, "token id of the prompt is 49152; .* from 0 to 49151"),
    "a negative id": ({"prompt": [-1]}, "token id of the prompt is -1"),
    "an id that is none": ({"prompt": ["Hi"]}, "token id of the prompt is 'Hi'"),
    "too long": ({"prompt": "word " * 9000}, "a prompt of 9"),
    "nothing to write": ({"max_tokens": 0}, "max_tokens is 0; it must be a whole number of 1 or more"),
    "less than nothing": ({"max_tokens": -(2**70)}, "max_tokens is -11805"),
    "half a token": ({"max_tokens": 2.5}, "max_tokens is 2.5"),
    "a text of tokens": ({"max_tokens": "5"}, "max_tokens is '5'"),
    "more than the context": ({"max_tokens": 8192}, "exceed the model's context of 8192"),
    "far more": ({"max_tokens": 10**30}, "exceed the model's context of 8192"),
    "a negative temperature": ({"temperature": -0.5}, "temperature is -0.5"),
    "no temperature": ({"temperature": float("nan")}, "temperature is nan; it must be a number from 0 to 1e"),
    "too hot": ({"temperature": float("inf")}, "temperature is inf"),
    "a text of heat": ({"temperature": "hot"}, "temperature is 'hot'"),
    "a negative top_k": ({"top_k": -1}, "top_k is -1"),
    "a top_p of nothing": ({"top_p": 0}, "top_p is 0; it must be a number from above 0 to 1"),
    "a seed of 65 bits": (
        {"seed": 2**64},
        f"seed is {2**64}; it must be a whole number from {-(2**63)} to {2**63 - 1}",
    ),
    "a seed below the least": ({"seed": -(2**63) - 1}, f"seed is {-(2**63) - 1}"),
    "a seed that is a text": ({"seed": "x"}, "seed is 'x'"),
    "a huge seed": ({"seed": 10**10000 + 1}, "seed is a number of thousands of digits"),
}
WRONG_STOPS = {
    "an empty stop": ({"stop": ""}, "stop holds ''; each text must have at least one character"),
    "one empty among others": ({"stop": ["a", ""]}, "stop holds ''"),
    "a number to stop at": ({"stop": [5]}, "stop holds 5"),
    "a bare number to stop at": ({"stop": 5}, "stop is 5; it must be text, or a list of up to 4"),
    "bytes to stop at": ({"stop": b"six"}, "stop is b'six'"),
    "five stops": ({"stop": list("abcde")}, "stop holds 5 texts; it must be text, or a list of up to 4"),
}


def refused(call, message):
    with pytest.raises(LessonError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "change, message", [*WRONG.values(), *WRONG_STOPS.values()], ids=[*WRONG, *WRONG_STOPS]
)
def test_refuses_in_one_sentence(llm, change, message):
    refused(lambda: generate(llm, **{"prompt": PROMPT, "max_tokens": 4, **change}), message)


@pytest.mark.parametrize(
    "change, message",
    [
        *WRONG.values(),
        ({"draft_length": -1}, "draft_length is -1"),
        ({"draft_length": 1.5}, "draft_length is 1.5"),
    ],
    ids=[*WRONG, "fewer guesses than none", "half a guess"],
)
def test_speculation_refuses_the_same(llm, change, message):
    request = {"prompt": PROMPT, "max_tokens": 4, "drafter": PromptLookup(), **change}
    refused(lambda: speculative.generate(llm, **request), message)


@pytest.mark.parametrize("cold", [0, 1e-40, 5e-324, 1e-6, -0.0, np.float32(1e-20)])
def test_a_temperature_that_leaves_one_token_is_greedy(llm, cold):
    greedy = generate(llm, PROMPT, 3)
    assert generate(llm, PROMPT, 3, temperature=cold).token_ids == greedy.token_ids
    assert (
        speculative.generate(llm, PROMPT, PromptLookup(), 3, temperature=cold).token_ids == greedy.token_ids
    )


def test_numpy_s_numbers_are_numbers(llm):
    ids = np.array(llm.tokenizer.encode(PROMPT))
    draws = {
        "temperature": np.float32(0.5),
        "top_k": np.int64(9),
        "top_p": np.float64(0.5),
        "seed": np.uint8(3),
    }
    plain = generate(llm, PROMPT, 3, temperature=0.5, top_k=9, top_p=0.5, seed=3)
    for prompt in (ids, list(ids)):
        assert generate(llm, prompt, np.int32(3), **draws).token_ids == plain.token_ids


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=2),
    st.lists(st.integers() | st.text(max_size=2), max_size=5), st.fractions(), st.complex_numbers(), st.decimals(),
)  # fmt: skip


@given(st.sampled_from(["prompt", "max_tokens", "temperature", "top_k", "top_p", "seed", "stop"]), anything)
def test_any_value_is_taken_or_refused(name, value):
    try:
        check_request(**{"prompt": PROMPT, "max_tokens": 4, name: value})
    except LessonError as error:
        assert "\n" not in str(error) and name in str(error)
