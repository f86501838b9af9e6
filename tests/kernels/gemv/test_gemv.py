import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.gemv import linear, moved_bytes, reference

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
shapes = {"rows": st.integers(1, 8), "inputs": st.integers(1, 150), "outputs": st.integers(1, 70)}


def whole_numbers(shape, seed, dtype=torch.float32):
    """Small whole numbers, which bfloat16 holds: all sums are exact in float32, in any order."""
    return torch.from_numpy(np.random.default_rng(seed).integers(-9, 10, shape)).to(dtype)


@given(**shapes, dtype=st.sampled_from(sorted(DTYPES)), seed=st.integers(0, 1000))
def test_the_product_of_whole_numbers_is_exact(rows, inputs, outputs, dtype, seed):
    x = whole_numbers((rows, inputs), seed)
    w = whole_numbers((outputs, inputs), seed + 1, DTYPES[dtype])
    y = linear(x, w, threads=1)
    assert y.dtype == torch.float32
    np.testing.assert_array_equal(y.numpy(), reference(x.numpy(), w.float().numpy()))


@given(**shapes, dtype=st.sampled_from(sorted(DTYPES)), seed=st.integers(0, 1000))
def test_the_error_is_that_of_float32_sums(rows, inputs, outputs, dtype, seed):
    random = np.random.default_rng(seed)
    x = torch.from_numpy(random.normal(size=(rows, inputs))).float()
    w = torch.from_numpy(random.normal(size=(outputs, inputs))).to(DTYPES[dtype])
    exact = reference(x.numpy(), w.float().numpy())
    # Each of the products and sums rounds once at most (Higham, 2002, section 3.1).
    bound = (inputs + 1) * 2.0**-24 * reference(x.abs().numpy(), w.float().abs().numpy())
    assert (np.abs(linear(x, w, threads=1).numpy() - exact) <= bound).all()


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [1, 3, 8])
@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_any_number_of_threads_gives_the_same(dtype, rows, threads):
    inputs, outputs = 384, 517  # large enough to be shared out, and no multiple of a tile
    x, w = whole_numbers((rows, inputs), 1), whole_numbers((outputs, inputs), 2, DTYPES[dtype])
    room = torch.full((rows + 2, outputs), 7.0)
    linear(x, w, out=room[1:-1], threads=threads)
    np.testing.assert_array_equal(room[1:-1].numpy(), reference(x.numpy(), w.float().numpy()))
    assert (room[0] == 7).all() and (room[-1] == 7).all()


def test_what_does_not_fit_is_refused_with_a_remedy():
    x, w = torch.zeros(9, 4), torch.zeros(5, 4)
    with pytest.raises(ValueError, match=r"1 to 8 rows, got 9; use torch\.nn\.functional\.linear"):
        linear(x, w)
    with pytest.raises(ValueError, match="1 to 8 rows, got 0"):
        linear(x[:0], w)
    with pytest.raises(ValueError, match="x has 3 inputs and w has 4"):
        linear(torch.zeros(1, 3), w)
    with pytest.raises(ValueError, match=r"got torch\.float64 and torch\.float32"):
        linear(x[:1].double(), w)
    with pytest.raises(ValueError, match=r"got torch\.float32 and torch\.float16"):
        linear(x[:1], w.half())
    with pytest.raises(ValueError, match=r"call \.contiguous\(\)"):
        linear(x[:1], torch.zeros(4, 5).T)


def test_the_weights_are_counted_once_for_all_rows():
    assert moved_bytes(1, 10, 20) == 10 * 20 * 4 + 4 * 30
    assert moved_bytes(8, 10, 20, 2) == 10 * 20 * 2 + 8 * 4 * 30
