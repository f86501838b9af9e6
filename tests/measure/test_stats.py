import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from lessons.measure.stats import interval_ranks, median, median_interval, share_interval


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60))
def test_median_agrees_with_numpy(values):
    assert median(values) == pytest.approx(float(np.median(values)), rel=1e-12, abs=1e-300)


@given(st.integers(6, 300))
def test_ranks_enclose_the_median_with_the_confidence_and_no_wider_pair_is_needed(n):
    low, high = interval_ranks(n)
    assert high == n - 1 - low
    # P(low < #below <= high) for the binomial count of samples below the true median.
    inside = reference.binom.cdf(high, n, 0.5) - reference.binom.cdf(low, n, 0.5)
    assert inside >= 0.95
    tighter = reference.binom.cdf(high - 1, n, 0.5) - reference.binom.cdf(low + 1, n, 0.5)
    assert tighter < 0.95


def test_a_few_samples_give_their_whole_range():
    for n in range(1, 6):
        assert interval_ranks(n) == (0, n - 1)


def test_the_interval_covers_a_known_median_as_often_as_it_says():
    rng = np.random.default_rng(1)
    true_median = math.exp(1.0)
    draws = rng.lognormal(1.0, 0.5, size=(4000, 15))
    intervals = [median_interval(list(row), "s") for row in draws]
    covered = sum(q.low <= true_median <= q.high for q in intervals) / len(intervals)
    assert 0.95 <= covered <= 0.98  # the ranks of 15 samples give 96.5 %


def test_no_values_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="at least 1 value"):
        median([])


@pytest.mark.parametrize(
    ("kept", "of", "low", "high"), [(0, 10, 0, 0.278), (5, 10, 0.237, 0.763), (81, 263, 0.255, 0.366)]
)
def test_the_interval_of_a_share_is_wilsons(kept, of, low, high):
    # The last is the example of Newcombe, "Two-sided confidence intervals for the single proportion", 1998.
    share = share_interval(kept, of)
    assert (share.low, share.high) == pytest.approx(
        (low, high), abs=1e-3
    ) and share.low <= share.value <= share.high
