"""Attention over one run of keys against the formula, in float64."""

import pytest
import torch

from lessons.llm.attention import causal


@pytest.mark.parametrize("n, length", [(1, 1), (1, 17), (5, 5), (5, 33), (8, 9)])
def test_the_formula(n, length):
    torch.manual_seed(n * 100 + length)
    heads, kv_heads, dim, capacity = 9, 3, 64, 40
    q = torch.randn(n, heads, dim)
    k, v = torch.randn(2, kv_heads, capacity, dim)
    k[:, length:], v[:, length:] = torch.nan, torch.nan  # nothing beyond the length may be read
    got = causal(q, k, v, length)
    for i in range(n):
        for h in range(heads):
            keys = k[h // 3, : length - n + i + 1].double()
            values = v[h // 3, : length - n + i + 1].double()
            weights = (keys @ q[i, h].double() / dim**0.5).softmax(0)
            torch.testing.assert_close(got[i, h].double(), weights @ values, atol=1e-5, rtol=1e-5)
