import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lessons.kernels.rms_norm import reference, rms_norm


@given(rows=st.integers(1, 9), width=st.integers(1, 700), seed=st.integers(0, 99), scale=st.floats(1e-3, 1e3))
def test_it_agrees_with_float64(rows, width, seed, scale):
    rng = np.random.default_rng(seed)
    x = (scale * rng.standard_normal((rows, width))).astype(np.float32)
    weight = rng.standard_normal(width).astype(np.float32)
    ours = rms_norm(torch.from_numpy(x), torch.from_numpy(weight), 1e-5).numpy()
    np.testing.assert_allclose(ours, reference(x, weight, 1e-5), rtol=2e-5, atol=1e-6)


def test_a_row_of_zeros_stays_zero_and_nan_stays_nan():
    x = torch.zeros(2, 8)
    x[1, 3] = float("nan")
    out = rms_norm(x, torch.ones(8), 1e-5)
    assert torch.equal(out[0], torch.zeros(8))
    assert out[1].isnan().all()


def test_a_transposed_matrix_is_refused():
    with pytest.raises(ValueError, match="contiguous"):
        rms_norm(torch.ones(4, 3).T, torch.ones(4), 1e-5)
