import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.tools.buffers import aligned
from lessons.kernels.transpose import CPU, transpose
from lessons.kernels.transpose.cuda import LAYOUTS, TILE

sizes = st.integers(1, 83)  # less than a square, several, and what is left over


def matrix(rows, columns, padding=0, seed=0):
    """Any bits at all, NaNs among them, inside rows that may be farther apart than they are long."""
    room = aligned((rows, columns + padding), "float32")
    room[:] = np.random.default_rng(seed).integers(0, 2**32, room.shape, "uint32").view("float32")
    return room[:, :columns], room


@given(
    rows=sizes,
    columns=sizes,
    way=st.sampled_from(CPU),
    apart=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    seed=st.integers(0, 1000),
)
def test_every_way_gives_what_numpy_gives_and_touches_nothing_else(rows, columns, way, apart, seed):
    x, _ = matrix(rows, columns, apart[0], seed)
    out, room = matrix(columns, rows, apart[1], seed + 1)
    untouched = room[:, rows:].copy()
    transpose(way, x, out)
    np.testing.assert_array_equal(out.view("uint32"), x.T.view("uint32"))
    np.testing.assert_array_equal(room[:, rows:].view("uint32"), untouched.view("uint32"))


@given(rows=sizes, columns=sizes, seed=st.integers(0, 1000))
def test_stores_past_the_caches_give_the_same_bits(rows, columns, seed):
    x, _ = matrix(rows, columns, seed=seed)
    out, _ = matrix(columns, rows, -rows % 16)
    transpose("blocked", x, out, nontemporal=True)
    np.testing.assert_array_equal(out.view("uint32"), x.T.view("uint32"))


@pytest.mark.parametrize("way", CPU)
def test_twice_is_nothing(way):
    x, _ = matrix(48, 33, 5)
    once, twice = matrix(33, 48, 3)[0], matrix(48, 33, 5, 1)[0]
    transpose(way, x, once)
    transpose(way, once, twice)
    np.testing.assert_array_equal(twice.view("uint32"), x.view("uint32"))


def test_what_does_not_fit_is_refused_with_a_remedy():
    x, out = np.ones((32, 48), "float32"), aligned((48, 32), "float32")
    with pytest.raises(ValueError, match="'tiled' is none of naive, blocked"):
        transpose("tiled", x, out)
    with pytest.raises(ValueError, match=r"turned round, got \(32, 48\) and \(32, 48\)"):
        transpose("naive", x, x)
    with pytest.raises(ValueError, match="takes float32, got float64"):
        transpose("naive", x.astype("float64"), out)
    with pytest.raises(ValueError, match="side by side; make copies"):
        transpose("blocked", out.T, x.T)
    with pytest.raises(ValueError, match="64-byte boundary; make it with"):
        transpose("blocked", x[:31], aligned((48, 31), "float32"), nontemporal=True)
    with pytest.raises(ValueError, match="64-byte boundary; make it with"):
        transpose("blocked", x[:16], aligned((48, 32), "float32")[:, 8:24], nontemporal=True)


def in_one_bank(words):
    """Return how many of a warp's words lie in the fullest of the 32 banks."""
    return max(np.bincount(np.array(words) % 32))


@pytest.mark.parametrize(("way", "worst"), [("tiled", 32), ("padded", 1), ("swizzled", 1)])
def test_a_column_of_the_tile_lies_in_as_many_banks_as_its_layout_says(way, worst):
    pitch, mask = LAYOUTS[way]
    places = [[r * pitch + (c ^ (r & mask)) for c in range(TILE)] for r in range(TILE)]
    assert len({word for row in places for word in row}) == TILE**2  # no two elements share a place
    assert {in_one_bank(row) for row in places} == {1}
    assert {in_one_bank(column) for column in zip(*places)} == {worst}
    if not mask:
        assert math.gcd(pitch, 32) == worst
