import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.formulas.reread import lru_hit_rate, mixed_rate, random_hit_rate

ratios = st.floats(1.02, 20)


def swept(lines, capacity, rule, sweeps=60):
    """Return the share of hits of the later half of ``sweeps`` over ``lines``, in a cache of ``capacity`` lines."""
    draw, cache, hits = random.Random(1), [], 0
    there = set()
    for sweep in range(sweeps):
        for line in range(lines):
            if line in there:
                hits += sweep >= sweeps // 2
                if rule == "lru":
                    cache.remove(line)
                    cache.append(line)
                continue
            if len(cache) == capacity:
                there.remove(cache.pop(0 if rule == "lru" else draw.randrange(capacity)))
            cache.append(line)
            there.add(line)
    return hits / (lines * (sweeps - sweeps // 2))


@pytest.mark.parametrize("times", [0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0])
def test_both_rules_give_what_a_simulated_cache_gives(times):
    capacity = 400
    lines = round(times * capacity)
    assert swept(lines, capacity, "random") == pytest.approx(random_hit_rate(lines, capacity), abs=0.02)


@pytest.mark.parametrize("lines", [80, 100, 101, 150])
def test_lru_keeps_all_or_nothing(lines):
    assert swept(lines, 100, "lru") == lru_hit_rate(lines, 100)


@given(times=ratios)
def test_the_share_solves_its_equation_and_is_the_smaller_solution(times):
    share = random_hit_rate(times, 1)
    assert share == pytest.approx(math.exp(-times * (1 - share)), abs=1e-9)
    assert 0 < share < 1


@given(times=ratios, more=st.floats(1.01, 3))
def test_a_larger_sweep_finds_less(times, more):
    assert random_hit_rate(times * more, 1) < random_hit_rate(times, 1) < random_hit_rate(1, 1) == 1


@given(share=st.floats(0, 1), near=st.floats(1, 1e12), far=st.floats(1, 1e12))
def test_a_mixed_rate_lies_between_both(share, near, far):
    rate = mixed_rate(share, near, far)
    assert min(near, far) * (1 - 1e-9) <= rate <= max(near, far) * (1 + 1e-9)
    assert mixed_rate(1, near, far) == pytest.approx(near) and mixed_rate(0, near, far) == pytest.approx(far)


def test_what_cannot_be_is_refused():
    for rule in (lru_hit_rate, random_hit_rate):
        with pytest.raises(ValueError, match="capacity is 0"):
            rule(1, 0)
    with pytest.raises(ValueError, match=r"hit_rate is 1\.5"):
        mixed_rate(1.5, 1, 1)
