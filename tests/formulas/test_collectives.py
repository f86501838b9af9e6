"""Collectives' closed forms against rings and trees that pass real chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.formulas import collectives


def ring_all_reduce(values):
    """Run the ring on one list of n chunks a rank; return all ranks' results and the chunks each one sent."""
    n = len(values)
    data = [list(v) for v in values]
    sent = 0
    for phase in range(2):
        for step in range(n - 1):
            moves = []
            for rank in range(n):
                chunk = (rank - step + phase) % n
                moves.append(((rank + 1) % n, chunk, data[rank][chunk]))
            sent += 1
            for to, chunk, value in moves:
                data[to][chunk] = data[to][chunk] + value if phase == 0 else value
    return data, sent


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_a_ring_sends_what_the_bus_factor_says_in_as_many_steps_as_the_time_counts(ranks):
    values = [[10 * rank + chunk for chunk in range(ranks)] for rank in range(ranks)]
    result, sent = ring_all_reduce(values)
    assert all(row == [sum(column) for column in zip(*values)] for row in result)
    assert collectives.bus_factor("all_reduce", ranks) == pytest.approx(sent / ranks)
    # With bytes free, only the steps' latency is left.
    assert collectives.ring_all_reduce_time(ranks, 0, 1.0, 1.0) == sent


def test_gather_and_scatter_are_the_halves_of_an_all_reduce():
    halves = collectives.bus_factor("reduce_scatter", 8) + collectives.bus_factor("all_gather", 8)
    assert halves == collectives.bus_factor("all_reduce", 8)


@pytest.mark.parametrize("ranks", [1, 2, 5, 8])
def test_a_tree_takes_as_many_rounds_as_it_takes_to_tell_everyone(ranks):
    told, rounds = 1, 0
    while told < ranks:
        told, rounds = 2 * told, rounds + 1
    assert collectives.tree_all_reduce_time(ranks, 0, 1.0, 1.0) == 2 * rounds


@given(size=st.floats(1, 1e12), ranks=st.integers(2, 64))
def test_bus_bandwidth_of_a_latency_free_ring_is_the_link(size, ranks):
    seconds = collectives.ring_all_reduce_time(ranks, size, 0, 4.5e11)
    assert collectives.bus_bandwidth("all_reduce", ranks, size, seconds) == pytest.approx(4.5e11)


def test_small_messages_prefer_the_tree_and_large_ones_the_ring():
    times = [
        (
            collectives.ring_all_reduce_time(8, n, 5e-6, 4.5e11),
            collectives.tree_all_reduce_time(8, n, 5e-6, 4.5e11),
        )
        for n in (1e3, 1e9)
    ]
    assert times[0][0] > times[0][1]
    assert times[1][0] < times[1][1]


def test_half_of_the_bandwidth_is_reached_at_alpha_times_bandwidth():
    size = collectives.half_size(1e-5, 5e10)
    assert size / collectives.transfer_time(size, 1e-5, 5e10) == pytest.approx(2.5e10)


def test_an_unknown_operation_is_refused():
    with pytest.raises(ValueError, match="'all_reduce'"):
        collectives.bus_factor("broadcast", 4)
