import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.gather import gather
from lessons.kernels.gather.reference import gather as plain
from lessons.kernels.gather.reference import places
from lessons.kernels.tools.buffers import aligned


def filled(lines, seed):
    """Return an array that is different in each line, with its other elements set too."""
    values = aligned(8 * lines, "int64")
    values[:] = np.random.default_rng(seed).integers(-(2**62), 2**62, 8 * lines)
    return values


@given(st.integers(2, 300), st.integers(1, 200), st.integers(0, 2**40))
def test_the_compiled_gather_loads_what_the_plain_one_does(lines, loads, seed):
    values = filled(lines, seed)
    assert gather(values, loads, seed=seed) == plain(values, loads, seed)


@given(st.integers(2, 1 << 20), st.integers(0, 2**32))
def test_the_places_are_lines_of_the_array(lines, seed):
    assert all(0 <= place < lines for place in places(lines, 300, seed))


@pytest.mark.parametrize("lines", [1000, 1 << 21])
def test_the_places_are_spread_like_random_ones(lines):
    found = np.fromiter(places(lines, 40_000, 7), np.int64)
    counts = np.bincount(found * 40 // lines, minlength=40)
    # Each fortieth of the array has 1,000 of 40,000 draws: 5 standard deviations of a fair draw.
    assert abs(counts - 1000).max() < 5 * 1000**0.5
    # And no step from place to place is common, as a prefetcher would need.
    steps = np.unique(np.diff(found), return_counts=True)[1]
    assert steps.max() < 0.01 * len(found)


def test_another_seed_visits_other_lines():
    lines = 1 << 21
    first, second = (set(places(lines, 4096, seed)) for seed in (1, 2))
    assert len(first & second) < 0.02 * len(first)


@pytest.mark.parametrize(
    ("values", "loads", "message"),
    [
        (np.zeros(64, "int32"), 1, "contiguous int64"),
        (np.zeros((8, 8), "int64"), 1, "one dimension"),
        (np.zeros(64, "int64")[::2], 1, "contiguous"),
        (np.zeros(8, "int64"), 1, "2 to 2.31 lines of 64 bytes, got 1"),
        (np.zeros(64, "int64"), 0, "loads must be at least 1, got 0"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_remedy(values, loads, message):
    with pytest.raises(ValueError, match=message):
        gather(values, loads)
