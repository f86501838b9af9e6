"""The roofline against counting operations and operands one by one."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.formulas import roofline

rates = st.floats(1e6, 1e16)
sizes = st.integers(1, 5)


class Counter:
    """Counts the FLOP done and the distinct numbers touched by an operation written out as loops."""

    def __init__(self):
        self.flop = 0
        self.touched = set()

    def fma(self, *operands):
        self.flop += 2
        self.touched.update(operands)


@given(m=sizes, n=sizes, k=sizes)
def test_gemm_counts_what_three_loops_do(m, n, k):
    counter = Counter()
    for i, j, x in itertools.product(range(m), range(n), range(k)):
        counter.fma(("x", i, x), ("w", x, j), ("y", i, j))
    assert roofline.gemm(m, n, k, itemsize=2) == (counter.flop, 2 * len(counter.touched))


@given(queries=sizes, length=sizes, kv_heads=st.integers(1, 3), group=st.integers(1, 3), dim=sizes)
def test_attention_counts_what_its_loops_do(queries, length, kv_heads, group, dim):
    counter = Counter()
    for i, j, h, c in itertools.product(range(queries), range(length), range(kv_heads * group), range(dim)):
        counter.fma(("q", i, h, c), ("k", j, h // group, c))
        counter.fma(("v", j, h // group, c), ("o", i, h, c))
    work = roofline.attention(queries, length, kv_heads * group, kv_heads, dim, itemsize=4)
    assert work == (counter.flop, 4 * len(counter.touched))


def test_elementwise_operations_count_what_their_loops_do():
    add, dot, poly = Counter(), Counter(), Counter()
    for i in range(7):
        add.touched.update([("a", i), ("b", i), ("c", i)])
        add.flop += 1
        dot.fma(("a", i), ("b", i))
        for step in range(3):
            poly.fma(("x", i), ("y", i))
            assert step < 3
    assert roofline.vector_add(7) == (add.flop, 4 * len(add.touched))
    assert roofline.dot(7) == (dot.flop, 4 * len(dot.touched))
    assert roofline.horner(3, 7) == (poly.flop, 4 * len(poly.touched))


@given(intensity=st.floats(1e-3, 1e4), peak=rates, bandwidth=rates)
def test_the_roof_bends_at_the_ridge_and_nowhere_else(intensity, peak, bandwidth):
    roof = roofline.attainable(intensity, peak, bandwidth)
    assert roof <= peak
    assert roof <= intensity * bandwidth
    if intensity >= roofline.ridge(peak, bandwidth):
        assert roof == pytest.approx(peak)
    else:
        assert roof == pytest.approx(intensity * bandwidth)


@given(m=st.integers(1, 2000), peak=rates, bandwidth=rates)
def test_the_time_bound_is_the_work_over_the_roof(m, peak, bandwidth):
    work = roofline.gemm(m, 64, 64)
    by_time = work.flop / roofline.time_bound(work, peak, bandwidth)
    assert by_time == pytest.approx(roofline.attainable(work.intensity, peak, bandwidth))
    assert roofline.limit(work, peak, bandwidth) == (
        "bandwidth" if work.flop / peak < work.bytes / bandwidth else "compute"
    )


def test_decode_attention_stays_near_its_group_size_however_long_the_context():
    for group in (1, 4, 8):
        short, long = (roofline.attention(1, n, 8, 8 // group, 128).intensity for n in (1000, 100_000))
        assert short == pytest.approx(group, rel=0.02)
        assert long == pytest.approx(group, rel=0.001)


def test_a_batch_shares_the_weights():
    """Intensity grows with the rows until the activations matter; 4-bit weights raise it fourfold."""
    ratios = [roofline.gemm(m, 4096, 4096).intensity / m for m in (1, 8, 64)]
    assert ratios == pytest.approx([1, 1, 1], rel=0.05)
    packed = roofline.gemm(1, 4096, 4096, itemsize=2, weight_itemsize=0.5)
    assert packed.intensity == pytest.approx(4 * roofline.gemv(4096, 4096).intensity, rel=0.01)


def test_query_heads_must_divide_into_groups():
    with pytest.raises(ValueError, match="multiple of kv_heads, 4"):
        roofline.attention(1, 10, 9, 4, 64)


@given(tile=sizes, tiles=st.integers(1, 4))
def test_a_tiled_product_moves_what_its_loops_bring_in(tile, tiles):
    n, moved = tile * tiles, 0
    for _ in itertools.product(range(tiles), repeat=2):  # tiles of the result
        moved += sum(2 * tile**2 for _ in range(tiles)) + tile**2
    assert roofline.tiled_product(n, tile, itemsize=4) == (2 * n**3, 4 * moved)
    assert roofline.tiled_product(n, n, itemsize=4) == roofline.gemm(n, n, n, itemsize=4)


@given(cache=st.integers(12, 1 << 30))
def test_three_tiles_fit_and_three_of_twice_the_side_do_not(cache):
    side = roofline.tile_side(cache, itemsize=4)
    assert 3 * 4 * side**2 <= cache < 3 * 4 * (2 * side) ** 2


def test_a_tile_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="must divide n"):
        roofline.tiled_product(8, 3)
    with pytest.raises(ValueError, match="give it more"):
        roofline.tile_side(11)


@pytest.mark.parametrize(("tokens", "experts", "active"), [(1, 8, 2), (7, 8, 2), (30, 128, 8)])
def test_experts_read_are_those_that_random_tokens_pick(tokens, experts, active):
    chance, rounds = random.Random(0), 3000
    read = [
        len({e for _ in range(tokens) for e in chance.sample(range(experts), active)}) for _ in range(rounds)
    ]
    assert roofline.experts_read(tokens, experts, active) == pytest.approx(sum(read) / rounds, rel=0.01)


def test_the_intensity_of_experts_is_that_of_their_share_of_the_tokens():
    many = roofline.expert_layer(100_000, 128, 8, 64, 32)
    assert many.intensity == pytest.approx(100_000 * 8 / 128, rel=1e-6)
    # One token reads its own experts and does two FLOP with each of their weights, as in a dense layer.
    assert roofline.expert_layer(1, 128, 8, 64, 32).intensity == pytest.approx(1)
    assert roofline.expert_layer(5, 1, 1, 64, 32) == (2 * 5 * 3 * 64 * 32, 2 * 3 * 64 * 32)
    with pytest.raises(ValueError, match="at most"):
        roofline.experts_read(1, 2, 3)


@given(calls=st.integers(0, 10_000), call=st.floats(0, 1e-3), peak=rates, bandwidth=rates)
def test_calls_are_a_third_roof(calls, call, peak, bandwidth):
    work = roofline.gemm(3, 64, 64)
    floor = roofline.time_floor(work, peak, bandwidth, calls, call)
    assert floor == max(roofline.time_bound(work, peak, bandwidth), calls * call)
    assert roofline.time_floor(work, peak, bandwidth, 0, call) == roofline.time_bound(work, peak, bandwidth)
