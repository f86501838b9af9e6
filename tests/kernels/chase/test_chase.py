import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.chase import chase, chase_many, ring, walker
from lessons.kernels.chase.reference import cycle, walk


@given(st.integers(2, 500), st.integers(0, 2**32))
def test_the_cycle_visits_every_line_once_and_comes_home(lines, seed):
    following = cycle(lines, seed)
    seen, place = [], 0
    for _ in range(lines):
        seen.append(place)
        place = following[place]
    assert sorted(seen) == list(range(lines))
    assert place == 0


@given(st.integers(2, 300), st.sampled_from([8, 64, 128, 256]), st.integers(0, 1000))
def test_the_compiled_walk_ends_where_the_plain_one_does(lines, line, seed):
    links = ring(lines * line, line, seed)
    start = (lines // 2) * line // 8
    for steps in (0, 16, 48):
        assert chase(links, steps, start=start) == walk(links, steps, start)


@given(st.integers(1, 20), st.integers(0, 1000))
def test_one_round_leads_home_and_less_does_not(sixteenths, seed):
    lines = 16 * sixteenths
    links = ring(64 * lines, seed=seed)
    assert chase(links, lines) == 0
    for steps in range(16, lines, 16):
        assert chase(links, steps) != 0


@given(st.integers(1, 32), st.integers(0, 100), st.integers(0, 1000))
def test_many_walks_are_so_many_single_walks(walks, steps, seed):
    links = ring(64 * 40, seed=seed)
    starts = np.random.default_rng(seed).integers(0, 40, walks) * 8
    ends = chase_many(links, steps, starts)
    assert ends.tolist() == [walk(links, steps, start) for start in starts]


def test_a_walker_goes_on_where_it_stopped(monkeypatch):
    import lessons.kernels.chase as module

    links, visited = ring(64 * 160), []
    real = module.chase

    def spy(links, steps, *, start=0):
        visited.append(start)
        return real(links, steps, start=start)

    monkeypatch.setattr(module, "chase", spy)
    step = walker(links, 16)
    for _ in range(10):
        step()
    assert visited == [walk(links, 16 * i) for i in range(10)]
    assert len(set(visited)) == 10


@pytest.mark.parametrize("walks", [2, 5, 16])
def test_a_walker_of_many_never_meets_a_line_again_before_its_ring_is_walked(walks, monkeypatch):
    import lessons.kernels.chase as module

    links, places = ring(64 * 1600), []
    real = module.chase_many

    def spy(links, steps, starts):
        places.append((steps, starts.tolist()))
        return real(links, steps, starts)

    monkeypatch.setattr(module, "chase_many", spy)
    step = walker(links, 160, walks)
    for _ in range(3):
        step()
    each = 160 // walks
    assert [steps for steps, _ in places] == [each] * 3 and len(places[0][1]) == walks
    first = places[0][1]
    assert [starts for _, starts in places] == [[walk(links, i * each, s) for s in first] for i in range(3)]


def test_what_does_not_fit_is_refused_with_a_remedy():
    links = ring(1024)
    with pytest.raises(ValueError, match="multiple of 16, got 17; round it up"):
        chase(links, 17)
    with pytest.raises(ValueError, match="at least 2 lines of 64 bytes, got 127 bytes"):
        ring(127)
    for walks in (0, 33):
        with pytest.raises(ValueError, match=f"1 to 32 walks, got {walks}"):
            chase_many(links, 16, np.zeros(walks, np.int64))
