"""Batching's closed forms against simulated slots."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.formulas import batching


def simulated(draw, batch, rounds=20_000):
    used = total = 0.0
    for _ in range(rounds):
        lengths = [draw() for _ in range(batch)]
        used += sum(lengths)
        total += batch * max(lengths)
    return used / total


@pytest.mark.parametrize("batch", [1, 2, 8, 32])
def test_static_batches_are_as_full_as_simulated_ones(batch):
    rng = random.Random(5)
    exponential = simulated(lambda: rng.expovariate(1 / 100), batch)
    assert batching.static_utilization_exponential(batch) == pytest.approx(exponential, rel=0.02)
    uniform = simulated(lambda: rng.uniform(0, 100), batch)
    assert batching.static_utilization_uniform(batch) == pytest.approx(uniform, rel=0.02)


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=5), batch=st.integers(1, 3))
def test_a_given_mix_enumerates_every_batch(lengths, batch):
    batches = list(itertools.product(lengths, repeat=batch))
    expected = sum(map(sum, batches)) / sum(batch * max(b) for b in batches)
    assert batching.static_utilization(lengths, batch) == pytest.approx(expected)


def test_littles_law_counts_requests_in_a_simulated_server():
    rng = random.Random(2)
    clock, stays = 0.0, []
    for _ in range(40_000):
        clock += rng.expovariate(4)
        stays.append((clock, clock + rng.uniform(0, 3)))
    mean_in_flight = sum(end - start for start, end in stays) / clock
    assert batching.in_flight(4, 1.5) == pytest.approx(mean_in_flight, rel=0.03)


def test_weights_are_shared_and_caches_are_not():
    one = batching.decode_step_time(1, 16e9, 1e9, 1e12)
    many = batching.decode_step_time(16, 16e9, 1e9, 1e12)
    assert one == pytest.approx(0.017)
    assert many / one == pytest.approx(32 / 17)
    bound_by_arithmetic = batching.decode_step_time(1000, 16e9, 0, 1e12, flop=16e9, peak=1e14)
    assert bound_by_arithmetic == pytest.approx(1000 * 16e9 / 1e14)


def test_a_mix_of_nothing_is_refused():
    with pytest.raises(ValueError, match="0 values"):
        batching.static_utilization([], 4)
    with pytest.raises(ValueError, match="free arithmetic"):
        batching.decode_step_time(1, 1, 1, 1, peak=0)
