import numpy as np
import pytest

from lessons.kernels.fused import fused, reference


@pytest.mark.parametrize("count", [1, 17, reference.BLOCK, 3 * reference.BLOCK + 5])
def test_all_ways_give_the_same(count):
    x = np.random.default_rng(count).normal(size=count).astype(np.float32)
    exact = np.maximum(2.0 * x.astype(np.float64) - 0.25, 0) * 0.5
    ways = {"naive": reference.naive(x, 2, -0.25, 0.5)}
    for name, way in {"pre": reference.preallocated, "blocked": reference.blocked, "fused": fused}.items():
        ways[name] = np.full_like(x, np.nan)
        way(x, ways[name], 2, -0.25, 0.5)
    for name, result in ways.items():
        np.testing.assert_allclose(result, exact, rtol=1e-5, atol=1e-6, err_msg=name)


def test_in_place():
    x = np.linspace(-1, 1, 33, dtype=np.float32)
    expected = reference.naive(x, 2, 0.1, 3)
    fused(x, x, 2, 0.1, 3)
    np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-7)


def test_what_does_not_fit_is_refused():
    x = np.zeros(4, np.float32)
    with pytest.raises(ValueError, match="equally long"):
        fused(x, np.zeros(5, np.float32), 1, 1, 1)
    with pytest.raises(ValueError, match="contiguous float32"):
        fused(x, np.zeros(4), 1, 1, 1)
