"""Speculation's closed forms against enumerating every outcome, simulation and the book's exactness claim."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.formulas import speculative

rates = st.floats(0, 1)
drafts = st.integers(0, 7)


@st.composite
def pairs(draw):
    """Two distributions over one vocabulary, zeros and equal entries included."""
    size = draw(st.integers(1, 12))
    weights = st.lists(st.integers(0, 9), min_size=size, max_size=size).filter(any)
    p, q = draw(weights), draw(weights)
    return [x / sum(p) for x in p], [x / sum(q) for x in q]


@given(rates_by_position=st.lists(rates, max_size=7))
def test_expected_tokens_sum_over_every_pattern_of_kept_and_rejected(rates_by_position):
    expected = 0.0
    for kept in itertools.product([True, False], repeat=len(rates_by_position)):
        probability = math.prod(a if k else 1 - a for a, k in zip(rates_by_position, kept))
        run = next((i for i, k in enumerate(kept) if not k), len(kept))
        # The accepted run, then one token more: the correction, or the bonus when all were kept.
        expected += probability * (run + 1)
    assert speculative.expected_tokens_by_position(rates_by_position) == pytest.approx(expected)


@given(a=rates, g=drafts)
def test_one_rate_at_every_position_is_the_geometric_form(a, g):
    assert speculative.expected_tokens(a, g) == pytest.approx(
        speculative.expected_tokens_by_position([a] * g)
    )
    if a < 0.999:
        assert speculative.expected_tokens(a, g) == pytest.approx((1 - a ** (g + 1)) / (1 - a))


@given(pair=pairs())
def test_acceptance_is_one_minus_the_total_variation(pair):
    p, q = pair
    total_variation = sum(abs(x - y) for x, y in zip(p, q)) / 2
    assert speculative.acceptance(p, q) == pytest.approx(1 - total_variation, abs=1e-12)


@given(pair=pairs())
def test_draft_and_residual_together_give_back_the_target(pair):
    p, q = pair
    assert speculative.output_distribution(p, q) == pytest.approx(p, abs=1e-12)
    rest = speculative.residual(p, q)
    assert sum(rest) == pytest.approx(1)
    if p != q:
        # A token is never redrawn where the draft already proposed enough of it.
        assert all(r == 0 for r, x, y in zip(rest, p, q) if y >= x)


def test_redrawing_from_the_target_instead_of_the_residual_is_wrong():
    p, q = [0.7, 0.2, 0.1], [0.2, 0.5, 0.3]
    rejected = 1 - speculative.acceptance(p, q)
    mutated = [min(x, y) + rejected * x for x, y in zip(p, q)]
    assert max(abs(m - x) for m, x in zip(mutated, p)) > 0.1


@pytest.mark.parametrize(("a", "g"), [(0.8, 3), (0.8, 5), (0.5, 4)])
def test_a_simulated_stream_yields_the_expected_tokens(a, g):
    rng = random.Random(3)
    runs = 40_000
    tokens = 0
    for _ in range(runs):
        tokens += 1
        for _ in range(g):
            if rng.random() >= a:
                break
            tokens += 1
    # Tokens per run lie in 1 .. g + 1, so that four standard errors are below 4 (g / 2) / sqrt(runs).
    assert tokens / runs == pytest.approx(speculative.expected_tokens(a, g), abs=2 * g / math.sqrt(runs))


def rising(k):
    return 1 + 0.2 * (k - 1)


@given(a=rates, c=st.floats(0, 1), g=st.integers(1, 8), flat=st.booleans())
def test_break_even_separates_winning_from_losing(a, c, g, flat):
    curve = speculative.flat if flat else rising
    even = speculative.break_even_acceptance(g, c, curve)
    if even is None:
        assert speculative.speedup(1, g, c, curve) < 1
    elif a > even + 1e-6:
        assert speculative.speedup(a, g, c, curve) >= 1
    elif a < even - 1e-6:
        assert speculative.speedup(a, g, c, curve) < 1


@given(a=rates, c=st.floats(0.01, 1))
def test_the_best_length_beats_its_neighbours_and_is_0_where_drafting_never_pays(a, c):
    best = speculative.best_draft_length(a, c, rising)
    value = speculative.speedup(a, best, c, rising)
    assert all(value >= speculative.speedup(a, g, c, rising) for g in range(17))
    assert value >= 1
    # With i.i.d. acceptance one drafted token already pays exactly when a > c + t(2)/t(1) - 1.
    if a > c + rising(2) - 1 + 1e-9:
        assert best >= 1


def test_a_token_of_another_vocabulary_is_refused():
    with pytest.raises(ValueError, match="2 entries and draft 3"):
        speculative.acceptance([0.5, 0.5], [0.2, 0.3, 0.5])
