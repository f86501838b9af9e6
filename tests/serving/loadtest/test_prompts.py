"""Prompts are as long as wanted, and no two begin alike."""

from lessons.serving.loadtest.prompts import Prompts, real_text
from lessons.serving.request import Request


def test_prompts_have_their_length_and_their_own_beginning():
    make = Prompts(4.5, seed=1)
    texts = [make(Request(n, 0.0, 20, 1)) for n in range(50)]
    assert {len(text) for text in texts} == {90} and len({text[:16] for text in texts}) == 50
    assert texts == [Prompts(4.5, seed=1)(Request(n, 0.0, 20, 1)) for n in range(50)]
    assert texts != [Prompts(4.5, seed=2)(Request(n, 0.0, 20, 1)) for n in range(50)]


def test_a_prompt_may_be_longer_than_the_text():
    assert len(Prompts(1.0, seed=1)(Request(0, 0.0, 2 * len(real_text()), 1))) == 2 * len(real_text())


def test_a_trace_has_its_own_tokens():
    assert Prompts(4.5, seed=1)(Request(0, 0.0, 2, 1, (7, 8))) == [7, 8]
