import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.gemm import WAYS, product, reference
from lessons.kernels.gemm.cpu import register_tile

sizes = st.integers(1, 40)
# A tile of a side smaller than a vector, of one vector, and of several squares of registers.
WAYS_AND_TILES = [("naive", 4), *(("blocked", tile) for tile in (4, 8, 16, 32, 64, 128, 256))]


def whole_numbers(shape, seed):
    """Small whole numbers: all sums are exact in float32, in any order."""
    return np.random.default_rng(seed).integers(-9, 10, shape).astype("float32")


@given(m=sizes, n=sizes, k=sizes, way=st.sampled_from(WAYS_AND_TILES[:6]), seed=st.integers(0, 1000))
def test_the_product_of_whole_numbers_is_exact(m, n, k, way, seed):
    a, b = whole_numbers((m, k), seed), whole_numbers((k, n), seed + 1)
    c = product(a, b, way[0], tile=way[1])
    assert c.dtype == np.float32
    np.testing.assert_array_equal(c, reference(a, b))


@pytest.mark.parametrize(("way", "tile"), WAYS_AND_TILES)
def test_rows_that_lie_apart_are_read_and_written_as_such(way, tile):
    """Several tiles each way, and numbers between the rows that must neither count nor change."""
    n = max(48, 2 * tile)
    room = np.full((3, n + 2, n + 16), np.nan, "float32")
    a, b, out = room[:, 1:-1, :n]
    a[:], b[:] = whole_numbers((n, n), 1), whole_numbers((n, n), 2)
    between = np.isnan(room)
    between[2] = True
    between[2, 1:-1, :n] = False
    assert product(a, b, way, tile=tile, out=out) is out
    np.testing.assert_array_equal(out, reference(a, b))
    assert np.isnan(room[between]).all()


@given(seed=st.integers(0, 1000), way=st.sampled_from(WAYS_AND_TILES[:6]))
def test_the_error_is_that_of_float32_sums(seed, way):
    random = np.random.default_rng(seed)
    a, b = (random.standard_normal((33, 33)).astype("float32") for _ in range(2))
    # Each of the products and sums rounds once at most (Higham, 2002, section 3.1).
    bound = 34 * 2.0**-24 * reference(np.abs(a), np.abs(b))
    assert (np.abs(product(a, b, way[0], tile=way[1]) - reference(a, b)) <= bound).all()


@pytest.mark.parametrize("tile", [4, 8, 16, 32, 64, 128, 256])
def test_squares_of_registers_cover_a_tile(tile):
    rows, vectors, lanes = register_tile(tile)
    assert tile % rows == tile % (vectors * lanes) == 0
    assert rows * vectors + vectors + 1 <= 32


def test_what_does_not_fit_is_refused_with_a_remedy():
    a = np.zeros((4, 4), "float32")
    with pytest.raises(ValueError, match="on cpu must be one of naive, blocked"):
        product(a, a, "tiled")
    with pytest.raises(ValueError, match=r"a is \(4, 4\) and b \(3, 4\)"):
        product(a, a[:3], "naive")
    with pytest.raises(ValueError, match="got float64"):
        product(a, a.astype("float64"), "naive")
    with pytest.raises(ValueError, match=r"out is \(3, 4\), but must be \(4, 4\)"):
        product(a, a, "naive", out=a[:3])
    with pytest.raises(ValueError, match=r"\.T\.copy\(\)"):
        product(a, a.T, "naive")
    for tile in (2, 12):
        with pytest.raises(ValueError, match=f"tile is {tile}, but must be a power of two"):
            product(a, a, "blocked", tile=tile)


def test_each_device_has_a_way_without_tiles():
    assert all(ways[0] == "naive" for ways in WAYS.values())
