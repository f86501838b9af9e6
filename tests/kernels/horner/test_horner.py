import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.kernels.horner import horner
from lessons.kernels.horner.reference import horner as reference


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 900), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_it_is_the_polynomial_at_any_length(count, degree, seed):
    x = np.random.default_rng(seed).uniform(-0.9, 0.9, count).astype(np.float32)
    out = np.full_like(x, np.nan)
    horner(x, out, degree)
    np.testing.assert_allclose(out, reference(x, degree), rtol=1e-4, atol=1e-5)


def test_the_geometric_series_has_a_closed_form():
    x = np.array([0.5], np.float64)
    assert reference(x, 10, 1.0)[0] == pytest.approx((1 - 0.5**11) / (1 - 0.5))


def test_repeats_change_nothing_and_neighbours_stay_untouched():
    memory = np.full(300, 7, np.float32)
    x = np.linspace(-0.5, 0.5, 200, dtype=np.float32)
    horner(x, memory[50:250], 9, repeats=3)
    np.testing.assert_allclose(memory[50:250], reference(x, 9), rtol=1e-5)
    assert (memory[:50] == 7).all() and (memory[250:] == 7).all()


@pytest.mark.parametrize(
    ("x", "out", "degree", "words"),
    [
        (np.zeros(4, np.float32), np.zeros(5, np.float32), 1, "equally long"),
        (np.zeros(4), np.zeros(4), 1, "float32"),
        (np.zeros(4, np.float32), np.zeros(4, np.float32), 0, "at least 1"),
        (np.zeros(8, np.float32)[::2], np.zeros(4, np.float32), 1, "contiguous"),
    ],
)
def test_what_does_not_fit_is_refused(x, out, degree, words):
    with pytest.raises(ValueError, match=words):
        horner(x, out, degree)
