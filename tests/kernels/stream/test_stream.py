import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.stream import TRAFFIC, moved_bytes, stream
from lessons.kernels.stream.reference import stream as reference
from lessons.kernels.tools.buffers import PAGE, aligned

BLOCK = 64  # doubles in one turn of the loop


def whole_numbers(length, seed):
    """Small whole numbers: every product and sum is exact, so that results must be equal to the last bit."""
    values = aligned(length)
    values[:] = np.random.default_rng(seed).integers(-50, 50, length)
    return values


@given(
    kind=st.sampled_from(sorted(TRAFFIC)),
    blocks=st.integers(1, 9),
    threads=st.integers(1, 3),
    nontemporal=st.booleans(),
    scalar=st.integers(-4, 4),
    seed=st.integers(0, 1000),
)
def test_every_kernel_gives_what_numpy_gives(kind, blocks, threads, nontemporal, scalar, seed):
    length = blocks * threads * BLOCK
    b, c = whole_numbers(length, seed), whole_numbers(length, seed + 1)
    # Room on both sides shows a store outside the array.
    room = aligned(length + 2 * BLOCK, fill=7.0)
    a, expected = room[BLOCK:-BLOCK], np.full(length, 7.0)
    total = stream(kind, a, b, c, scalar=scalar, nontemporal=nontemporal, threads=threads)
    assert total == reference(kind, expected, b, c, scalar)
    np.testing.assert_array_equal(a, expected)
    np.testing.assert_array_equal(room[:BLOCK], 7.0)
    np.testing.assert_array_equal(room[-BLOCK:], 7.0)


@given(kind=st.sampled_from(["copy", "scale", "add", "triad"]), seed=st.integers(0, 1000))
def test_plain_and_nontemporal_stores_give_the_same_bits_for_any_numbers(kind, seed):
    random = np.random.default_rng(seed)
    b, c = aligned(4 * BLOCK), aligned(4 * BLOCK)
    b[:], c[:] = random.normal(size=(2, len(b)))
    plain, past = aligned(len(b)), aligned(len(b))
    stream(kind, plain, b, c, scalar=0.3)
    stream(kind, past, b, c, scalar=0.3, nontemporal=True)
    np.testing.assert_array_equal(plain.view("int64"), past.view("int64"))


def test_the_sum_of_repeated_reads_is_the_sum_of_all_passes():
    b = whole_numbers(2 * BLOCK, 3)
    assert stream("read", b, b, repeats=5) == 5 * b.sum()


def test_sources_may_lie_anywhere():
    room = whole_numbers(3 * BLOCK, 5)
    a = aligned(BLOCK)
    stream("copy", a, room[3 : 3 + BLOCK], nontemporal=True)
    np.testing.assert_array_equal(a, room[3 : 3 + BLOCK])


def test_bytes_are_counted_by_streams_rule():
    assert [moved_bytes(kind, 8) for kind in ("read", "copy", "scale", "add", "triad")] == [8, 16, 16, 24, 24]


def test_what_does_not_fit_is_refused_with_a_remedy():
    a, b = aligned(2 * BLOCK + 1), aligned(2 * BLOCK + 1)
    with pytest.raises(ValueError, match="'dot' is not a STREAM kernel; use one of"):
        stream("dot", a, b)
    with pytest.raises(ValueError, match="of one length, got 64, 128 and 128"):
        stream("copy", a[:64], b[:128])
    with pytest.raises(ValueError, match="not a multiple of 512"):
        stream("copy", a, b)
    with pytest.raises(ValueError, match="512 times 3 threads; round it down"):
        stream("copy", a[:64], b[:64], threads=3)
    with pytest.raises(ValueError, match="64-byte boundary"):
        stream("copy", a[1:65], b[:64], nontemporal=True)
    with pytest.raises(ValueError, match="contiguous float64"):
        stream("copy", a[:64].astype("float32"), b[:64])
    with pytest.raises(ValueError, match="contiguous float64"):
        stream("copy", a[:128:2], b[:64])


@given(st.integers(1, 5000), st.sampled_from(["float64", "float32", "int64", "uint8"]))
def test_buffers_start_on_a_page(length, dtype):
    array = aligned(length, dtype, 1)
    assert array.ctypes.data % PAGE == 0
    assert array.shape == (length,) and array.dtype == dtype and (array == 1).all()
