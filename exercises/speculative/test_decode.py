"""Speculative decoding writes what the model writes alone, in fewer passes. Run it: pytest exercises/speculative"""

import math
import random

import pytest
from decode import decode


class Model:
    """A model of eleven words, the next one by the last three. It counts its passes and remembers the longest."""

    def __init__(self):
        self.passes, self.longest = 0, 0

    def __call__(self, tokens):
        self.passes += 1
        self.longest = max(self.longest, len(tokens))
        return [after(tokens[: i + 1]) for i in range(len(tokens))]


def after(tokens):
    a, b, c = [0, 0, *tokens][-3:]
    return (3 * a + 5 * b + 7 * c + 1) % 11


def alone(prompt, count):
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(after(tokens))
    return tokens[len(prompt) :]


def perfect(tokens, g):
    return alone(tokens, g)


def wrong(tokens, g):
    return [(guess + 1) % 11 for guess in alone(tokens, g)]


def none(tokens, g):
    return []


def sometimes(tokens, g):
    draw = random.Random(len(tokens))
    return [guess if draw.random() < 0.6 else draw.randrange(11) for guess in alone(tokens, g)]


def lucky_late(tokens, g):
    """The first guess is wrong, and each later one is what the model says after that wrong start."""
    guesses = [(after(tokens) + 1) % 11]
    while len(guesses) < g:
        guesses.append(after([*tokens, *guesses]))
    return guesses[:g]


DRAFTS = [perfect, wrong, none, sometimes, lucky_late]


@pytest.mark.parametrize("draft", DRAFTS, ids=lambda d: d.__name__)
@pytest.mark.parametrize("longest", [0, 1, 4])
def test_the_text_is_the_models_own(draft, longest):
    text, _ = decode(Model(), draft, [2, 7], 30, longest)
    assert list(text) == alone([2, 7], 30), (
        f"with the draft '{draft.__name__}' the text differs from what the model writes alone; compare guess i with "
        "what the model says BEFORE it, and keep none after the first wrong one"
    )


@pytest.mark.parametrize("count", [1, 2, 29, 30])
@pytest.mark.parametrize("draft", DRAFTS, ids=lambda d: d.__name__)
def test_it_writes_as_many_tokens_as_were_asked_for(draft, count):
    text, _ = decode(Model(), draft, [2, 7], count, 4)
    assert len(text) == count, f"{len(text)} tokens, but {count} were asked for"


def test_right_guesses_save_passes():
    _, passes = decode(Model(), perfect, [2, 7], 30, 4)
    assert passes == math.ceil(30 / 5), (
        f"{passes} passes: with four right guesses a pass writes five tokens, the last of them the model's own"
    )


@pytest.mark.parametrize("draft", [wrong, none], ids=lambda d: d.__name__)
def test_wrong_guesses_cost_no_extra_pass(draft):
    _, passes = decode(Model(), draft, [2, 7], 30, 4)
    assert passes == 30, f"{passes} passes: even where no guess holds, a pass writes the model's own token"


@pytest.mark.parametrize("draft", DRAFTS, ids=lambda d: d.__name__)
def test_it_counts_its_passes_and_guesses_no_further_than_needed(draft):
    model = Model()
    _, passes = decode(model, draft, [2, 7], 30, 4)
    assert passes == model.passes, f"it says {passes} passes, and the model was run {model.passes} times"
    assert model.longest <= 2 + 29, "the last token needs no guess: shorten the last draft"
