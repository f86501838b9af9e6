"""The numbers in the solutions of the chapter on speculative decoding, computed again."""

import pytest
from pages import solution

from lessons import datasheets
from lessons.formulas import batching, kv_cache, roofline, speculative


def costly(k):
    """The page's own: t(k)/t(1) where each further token costs more than half a pass."""
    return 0.4 + 0.6 * k


CARD, SHAPE = datasheets.accelerator("h100_sxm"), datasheets.model("llama-3-8b")
WEIGHTS = 2 * SHAPE.parameters
PER_TOKEN = kv_cache.bytes_per_token(SHAPE.layers, SHAPE.kv_heads, SHAPE.head_dim)


def service(context, users=64, guesses=5, acceptance=0.8):
    """Return the times of the exercise in milliseconds, and the speed-up."""
    cache = context * PER_TOKEN
    plain, guessed = (
        1000 * batching.decode_step_time(users, WEIGHTS, cache, CARD.bandwidth, k * WEIGHTS, CARD.bf16)
        for k in (1, guesses + 1)
    )
    tokens = speculative.expected_tokens(acceptance, guesses)
    return [
        f"{1000 * users * cache / CARD.bandwidth:.3g} ms",
        f"{plain:.3g} ms",
        f"{guessed:.3g} ms",
        f"{tokens * plain / guessed:.2f}",
    ]


RULE = speculative.acceptance([0.6, 0.3, 0.1], [0.2, 0.5, 0.3])
DRAW_FROM_P = [min(a, b) + (1 - RULE) * a for a, b in zip([0.6, 0.3, 0.1], [0.2, 0.5, 0.3])]
NUMBERS = [
    ("ex-spec-even", f"acceptance of {speculative.break_even_acceptance(5, 0.2):.2f}"),
    ("ex-spec-even", f"it takes {speculative.break_even_acceptance(5, 0.2, costly):.2f}"),
    ("ex-spec-even", f"best length is {speculative.best_draft_length(0.63, 0.5)},"),
    ("ex-spec-even", f"speed-up of {speculative.speedup(0.63, 1, 0.5):.2f}"),
    ("ex-spec-own", f"{1000 * WEIGHTS / CARD.bandwidth:.2f} ms"),
    ("ex-spec-own", f"{64 * 6} rows"),
    ("ex-spec-own", f"ridge of {roofline.ridge(CARD.bf16, CARD.bandwidth):.0f}"),
    ("ex-spec-own", f"{1000 * 64 * 6 * WEIGHTS / CARD.bf16:.2f} ms"),
    ("ex-spec-own", f"{speculative.expected_tokens(0.8, 5):.2f} tokens"),
    *[("ex-spec-own", number) for context in (500, 5000) for number in service(context)],
    ("ex-spec-trace", f"{14 / 7 / 20:.1f} passes per guess"),
    ("ex-spec-trace", f"{61 / 20:.2f} passes"),
    ("ex-spec-trace", f"{(14 + 61) / 4.1:.1f} ms per token"),
    ("ex-spec-trace", f"gain of {20 * 4.1 / (14 + 61):.2f}"),
    ("ex-spec-trace", f"would be {20 * 4.1 / (14 + 20):.2f}"),
    ("ex-spec-benchmark", f"at most {3.9 / (3 * 0.5 + 1):.2f}"),
    ("ex-spec-mutation", f"with {DRAW_FROM_P[1]:.2f} instead of 0.3"),
    ("ex-spec-mutation", f"with {DRAW_FROM_P[0]:.2f} instead of 0.6"),
]


@pytest.mark.parametrize(("label", "number"), NUMBERS)
def test_a_number_of_a_solution_is_what_the_formulas_give(label, number):
    assert number in solution("speculative", label)


def test_drafting_pays_below_the_acceptance():
    assert speculative.speedup(0.63, speculative.best_draft_length(0.63, 0.62), 0.62) > 1
    assert speculative.best_draft_length(0.63, 0.64) == 0


def test_even_perfect_guesses_gain_little_where_verification_is_costly():
    assert 5 * 0.2 + costly(6) == pytest.approx(5)


@pytest.mark.parametrize("wrong", [service(600), service(500, users=32), service(500, acceptance=0.7)])
def test_another_service_has_other_numbers(wrong):
    right = solution("speculative", "ex-spec-own")
    assert [number for number in wrong if number not in right]
