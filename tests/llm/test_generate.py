"""Generation end to end on the real model."""

import pytest
import torch

from lessons.errors import LessonError
from lessons.llm.generate import generate

PROMPT = "The capital of France is"


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


@pytest.mark.parametrize(
    "change, message",
    [
        ({"prompt": ""}, "the prompt is empty"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"temperature": -0.5}, "temperature is -0.5"),
        ({"max_tokens": 8192}, "exceed the model's context of 8192"),
        ({"prompt": "word " * 9000}, "a prompt of 9"),
    ],
)
def test_refuses_in_one_sentence(llm, change, message):
    request = {"prompt": PROMPT, "max_tokens": 4, **change}
    with pytest.raises(LessonError, match=message) as caught:
        generate(llm, **request)
    assert "\n" not in str(caught.value)
