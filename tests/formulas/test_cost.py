"""Money against a published bill."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.formulas import cost


def test_the_published_deepseek_day_costs_what_its_authors_say():
    """226.75 nodes of 8 GPUs at $2 an hour: $87,072 a day for 168 billion output tokens."""
    per_million = cost.dollars_per_million_tokens(226.75 * 8 * 2, 168e9 / 86_400)
    assert per_million * 168e3 == pytest.approx(87_072)


@given(price=st.floats(0.1, 100), target=st.floats(0.01, 100), busy=st.floats(0.05, 1))
def test_the_rate_needed_meets_the_price(price, target, busy):
    rate = cost.tokens_per_second_needed(price, target, busy)
    assert cost.dollars_per_million_tokens(price, rate, busy) == pytest.approx(target)


def test_idle_hours_are_paid_by_the_tokens_of_the_busy_ones():
    """Bill a day of 24 hours at $3 in which 6 hours produce 1,000 tokens/s."""
    bill, tokens = 24 * 3, 6 * 3600 * 1000
    assert cost.dollars_per_million_tokens(3, 1000, utilization=6 / 24) == pytest.approx(bill / tokens * 1e6)


def test_an_idle_fleet_has_no_price_per_token():
    with pytest.raises(ValueError, match="utilization is 0"):
        cost.dollars_per_million_tokens(2, 100, utilization=0)
