import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.strided import strided
from lessons.kernels.strided.reference import strided as reference

STRIDES = (1, 2, 3, 16, 64)  # each is compiled for itself


@given(length=st.integers(0, 3000), stride=st.sampled_from(STRIDES), seed=st.integers(0, 1000))
def test_it_gives_what_numpy_gives(length, stride, seed):
    # Small whole numbers: every sum is exact, in whatever order.
    x = np.random.default_rng(seed).integers(-50, 50, length).astype("float32")
    assert strided(x, stride) == reference(x, stride)


@given(place=st.integers(0, 200), stride=st.sampled_from(STRIDES))
def test_an_element_counts_where_the_stride_meets_it_and_nowhere_else(place, stride):
    x = np.zeros(201, "float32")
    x[place] = 1
    assert strided(x, stride) == (place % stride == 0)


def test_what_does_not_fit_is_refused_with_a_remedy():
    x = np.ones(64, "float32")
    with pytest.raises(ValueError, match="at least 1 element, got 0"):
        strided(x, 0)
    with pytest.raises(ValueError, match="got 1 dimensions of float64"):
        strided(x.astype("float64"), 1)
    with pytest.raises(ValueError, match="got 2 dimensions of float32"):
        strided(x.reshape(8, 8), 1)
    with pytest.raises(ValueError, match="contiguous array; make a copy"):
        strided(x[::2], 1)
