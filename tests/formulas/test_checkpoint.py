"""Young's interval against a search, and its overhead against simulated failures."""

import random

import pytest

from lessons.formulas import checkpoint


@pytest.mark.parametrize("cost", [10, 60])
def test_no_other_interval_loses_less(cost):
    mtbf = 3.09 * 3600
    least = min(range(1, 8000), key=lambda every: checkpoint.overhead(cost, mtbf, every))
    assert checkpoint.interval(cost, mtbf) == pytest.approx(least, abs=1)
    assert checkpoint.overhead(cost, mtbf) == pytest.approx(checkpoint.overhead(cost, mtbf, least), rel=1e-5)


def test_the_overhead_is_that_of_simulated_failures():
    rng = random.Random(1)
    cost, mtbf = 10.0, 11_000.0
    every = checkpoint.interval(cost, mtbf)
    work, clock = 0.0, 0.0
    for _ in range(20_000):
        life = rng.expovariate(1 / mtbf)
        clock += life
        work += every * (life // (every + cost))
    # First order only: terms of order cost / MTBF, here a tenth of the overhead, are left out.
    assert checkpoint.overhead(cost, mtbf) == pytest.approx(1 - work / clock, rel=0.1)
