"""Both kernels against float64 NumPy, over shapes, lengths and block placements."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.kernels import attention
from lessons.kernels.attention import cpu, reference


def random(rng, *shape):
    return rng.standard_normal(shape, np.float32)


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 300),
    m=st.integers(1, 9),
    kv_heads=st.integers(1, 3),
    group=st.integers(1, 5),
    block_size=st.sampled_from([1, 4, 16, 32]),
    seed=st.integers(0, 2**32 - 1),
)
def test_paged_and_contiguous_give_the_reference(length, m, kv_heads, group, block_size, seed):
    rng = np.random.default_rng(seed)
    m = min(m, length)
    blocks = -(-length // block_size)
    pool = random(rng, 2, kv_heads, blocks + 3, block_size, 64)
    # Half of the tables hold adjacent blocks, half are scattered.
    table = np.arange(2, 2 + blocks) if seed % 2 else rng.permutation(blocks + 3)[:blocks]
    table = table.astype(np.int32)
    q = random(rng, m, kv_heads * group, 64)

    expected = reference.paged_decode(q, *pool, table, length)
    paged = attention.paged_decode(q, *pool, table, length)
    k, v = (np.ascontiguousarray(reference.gather(p, table)) for p in pool)
    contiguous = attention.decode(q, k, v, length)

    np.testing.assert_allclose(paged, expected, atol=2e-6, rtol=2e-5)
    np.testing.assert_allclose(contiguous, expected, atol=2e-6, rtol=2e-5)


def test_sharp_scores_do_not_overflow():
    rng = np.random.default_rng(0)
    q, k, v = 60 * random(rng, 2, 3, 64), 60 * random(rng, 1, 50, 64), random(rng, 1, 50, 64)
    np.testing.assert_allclose(
        attention.decode(q, k, v, 50), reference.decode(q, k, v, 50), atol=1e-4, rtol=1e-4
    )


def test_a_nan_in_a_seen_key_shows():
    rng = np.random.default_rng(0)
    q, k, v = random(rng, 1, 1, 64), random(rng, 1, 50, 64), random(rng, 1, 50, 64)
    k[0, 7, 3] = np.nan
    assert np.isnan(attention.decode(q, k, v, 50)).all()


def test_tokens_after_a_row_do_not_reach_it():
    rng = np.random.default_rng(1)
    q, k, v = random(rng, 4, 6, 64), random(rng, 2, 40, 64), random(rng, 2, 40, 64)
    before = attention.decode(q, k, v, 40)
    k[:, 37:], v[:, 37:] = 9, 9
    after = attention.decode(q, k, v, 40)
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.allclose(before[1:], after[1:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"length": 65}, "need 5 blocks"),
        ({"block_table": np.array([0, 1, 2, 9], np.int32)}, "outside the pool"),
        ({"q": np.zeros((1, 5, 64), np.float32)}, "fit together"),
        ({"q": np.zeros((1, 6, 64), np.float64)}, "float32"),
        ({"q": np.zeros((70, 6, 64), np.float32)}, "do not fit"),
    ],
)
def test_what_does_not_fit_is_refused(change, words):
    pool = np.zeros((2, 8, 16, 64), np.float32)
    good = {
        "q": np.zeros((1, 6, 64), np.float32),
        "k_pool": pool,
        "v_pool": pool,
        "block_table": np.arange(4, dtype=np.int32),
        "length": 64,
    }
    attention.paged_decode(**good)
    with pytest.raises(ValueError, match=words):
        attention.paged_decode(**{**good, **change})


def test_torch_tensors_and_a_generic_processor():
    code = """
import numpy as np, torch
from lessons.kernels import attention
from lessons.kernels.attention import reference
rng = np.random.default_rng(0)
q, k, v = (rng.standard_normal(s, np.float32) for s in ((2, 9, 64), (3, 100, 64), (3, 100, 64)))
out = attention.decode(torch.tensor(q), torch.tensor(k), torch.tensor(v), 77)
assert isinstance(out, torch.Tensor)
np.testing.assert_allclose(out.numpy(), reference.decode(q, k, v, 77), atol=2e-6, rtol=2e-5)
"""
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


USED_AFTER_FREE = """
import numpy as np
from lessons.kernels import attention
from lessons.kernels.attention import reference
random = np.random.default_rng(0)
q, k, v = (random.standard_normal(shape, np.float32) for shape in ((5, 6, 64), (2, 100, 64), (2, 100, 64)))
np.testing.assert_allclose(attention.decode(q, k, v, 100), reference.decode(q, k, v, 100), atol=2e-6, rtol=2e-5)
"""


def test_no_memory_is_used_after_it_was_freed():
    """glibc's checking allocator overwrites what is freed. Numba frees an array whose address alone is still used."""
    library = "libc_malloc_debug.so.0"
    try:
        ctypes.CDLL(library)
    except OSError:
        pytest.skip(f"{library} of glibc is not here")
    env = os.environ | {"LD_PRELOAD": library, "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165"}
    subprocess.run([sys.executable, "-c", USED_AFTER_FREE], env=env, check=True, timeout=120)


@settings(max_examples=30, deadline=None)
@given(m=st.integers(1, 16), group=st.integers(1, 5), length=st.integers(16, 400), offset=st.integers(0, 16))
def test_a_part_stays_within_the_scratch_memory_that_it_asks_for(m, group, length, offset):
    rng = np.random.default_rng(length)
    q, k, v = random(rng, m, group, 64), random(rng, 1, length, 64), random(rng, 1, length, 64)
    out, stats = np.empty_like(q), np.empty((m, group, 2), np.float32)
    needed = cpu.scratch_floats(64, m * group, length)
    scratch = np.full(offset + needed + 64, 7, np.float32)
    at = [x.ctypes.data for x in (q, k, v, out, stats, scratch[offset:])]
    cpu.partial(64)(*at, cpu.ONE_BLOCK, m, group, 1, length, length, length, 0, 0, length)
    assert (scratch[:offset] == 7).all() and (scratch[offset + needed :] == 7).all()
    np.testing.assert_allclose(out / stats[..., 1:], reference.decode(q, k, v, length), atol=2e-6, rtol=2e-5)
