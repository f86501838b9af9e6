import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.packed import Packed, cpu, expand, pack, reference, side_by_side, unpack
from lessons.kernels.packed.formats import FORMATS, NF4_BOOK
from lessons.kernels.tools.buffers import PAGE

BITS = {"Q4_1": 5, "Q4_0": 4.5, "NF4": 4.5, "Q8_0": 8.5}


def draw(format, tiles, blocks, seed):
    """Random codes, scales and minima (None for most formats) of [16 * tiles, 32 * blocks] weights."""
    random = np.random.default_rng(seed)
    low, high = (-128, 128) if format == "Q8_0" else (0, 16)
    codes = random.integers(low, high, (16 * tiles, 32 * blocks))
    scales, minima = random.standard_normal((2, 16 * tiles, blocks)).astype(np.float16)
    return codes, scales, minima if format == "Q4_1" else None


def weights(format, codes, scales, minima):
    """The same by the formats' definitions."""
    values = {
        "Q4_1": lambda: codes.astype(np.float32),
        "Q4_0": lambda: codes.astype(np.float32) - 8,
        "NF4": lambda: np.array(NF4_BOOK, np.float32)[codes],
        "Q8_0": lambda: codes.astype(np.float32),
    }[format]()
    scaled = np.repeat(scales.astype(np.float32), 32, axis=1) * values
    return scaled if minima is None else scaled + np.repeat(minima.astype(np.float32), 32, axis=1)


shapes = {"tiles": st.integers(1, 3), "blocks": st.integers(1, 5), "seed": st.integers(0, 1000)}
formats = st.sampled_from(sorted(FORMATS))


@given(format=formats, **shapes)
def test_unpacking_gives_back_exactly_what_was_packed(format, tiles, blocks, seed):
    codes, scales, minima = draw(format, tiles, blocks, seed)
    packed = pack(codes, scales, minima, format=format)
    expected = weights(format, codes, scales, minima)
    np.testing.assert_array_equal(unpack(packed), expected)
    np.testing.assert_array_equal(reference.dequantize(packed), expected)


@given(format=formats, **shapes)
def test_a_weight_costs_its_bits_and_the_data_lie_on_a_cache_line(format, tiles, blocks, seed):
    packed = pack(*draw(format, tiles, blocks, seed), format=format)
    assert packed.nbytes * 8 == packed.rows * packed.columns * BITS[format]
    assert packed.address % 64 == 0


def test_every_finite_float16_is_a_scale():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    scales = halves[np.isfinite(halves)].reshape(16, -1)
    codes = np.full((16, 32 * scales.shape[1]), 9)  # stands for 1
    expected = np.repeat(scales.astype(np.float32), 32, axis=1)
    np.testing.assert_array_equal(unpack(pack(codes, scales, format="Q4_0")), expected)


def test_side_by_side_keeps_every_byte_and_the_order():
    rng = np.random.default_rng(3)
    matrices = [
        pack(rng.integers(0, 16, (16 * tiles, 32)), np.full((16 * tiles, 1), 0.5), format="Q4_0")
        for tiles in (1, 20, 3)
    ]
    before = [matrix.data.copy() for matrix in matrices]
    moved = side_by_side(matrices)
    assert all((a.data == b).all() and a.data.base is not None for a, b in zip(moved, before))
    places = [matrix.address for matrix in moved]
    assert all(place % PAGE == 0 for place in places) and places == sorted(places)
    assert all(b - a - m.nbytes < PAGE for a, b, m in zip(places, places[1:], moved))
    assert [(m.rows, m.columns, m.format) for m in moved] == [(m.rows, m.columns, m.format) for m in matrices]


def test_some_tiles_are_the_same_rows():
    packed = pack(*draw("Q4_1", 4, 2, 0), format="Q4_1")
    out = np.zeros((32, 64), np.float32)
    assert expand(packed, 1, 3, out=out) is out
    np.testing.assert_array_equal(out, unpack(packed)[16:48])


def test_threads_share_the_tiles():
    packed = pack(*draw("Q8_0", 25, 30, 0), format="Q8_0")
    assert (packed.nbytes * 22) // 25 > cpu.PARALLEL_BYTES
    np.testing.assert_array_equal(expand(packed, 2, 24, threads=3), reference.dequantize(packed)[32:384])


def bad(format="Q4_0", rows=16, columns=32, code=1, scale=1.0, scales_shape=None, minima=False):
    scales = np.full(scales_shape or (rows, columns // 32), scale)
    pack(np.full((rows, columns), code), scales, scales if minima else None, format=format)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"format": "Q5_0"}, "no packed format 'Q5_0'; use one of Q4_1, Q4_0, NF4, Q8_0"),
        ({"rows": 17}, r"codes are \[17, 32\].*multiple of 16.*pad"),
        ({"columns": 48}, r"codes are \[16, 48\].*multiple of 32.*pad"),
        ({"rows": 0}, r"codes are \[0, 32\]"),
        ({"code": 16}, "codes reach from 16 to 16; Q4_0 holds 0 to 15"),
        ({"code": -129, "format": "Q8_0"}, "Q8_0 holds -128 to 127"),
        ({"format": "Q4_1"}, "Q4_1 has a minimum for each block: give minima"),
        ({"minima": True}, "Q4_0 has no minima"),
        ({"scales_shape": (16, 2)}, r"scales are \[16, 2\]; codes \[16, 32\] need \[16, 1\]"),
        ({"scale": 7e4}, "scales must be finite float16, at most 65504; the largest is 70000"),
    ],
)
def test_what_cannot_be_packed_is_refused_in_one_sentence(wrong, message):
    with pytest.raises(ValueError, match=message):
        bad(**wrong)


def test_tiles_and_outputs_that_do_not_fit_are_refused():
    packed = pack(*draw("Q8_0", 2, 1, 0), format="Q8_0")
    assert isinstance(packed, Packed)
    with pytest.raises(ValueError, match="there are tiles 0 to 2; cannot expand 1 to 3"):
        expand(packed, 1, 3)
    with pytest.raises(ValueError, match=r"out is \[16, 32\]; it must be \[32, 32\]"):
        expand(packed, out=np.empty((16, 32), np.float32))
    with pytest.raises(ValueError, match="out must be contiguous float32, got float64"):
        expand(packed, out=np.empty((32, 32)))
