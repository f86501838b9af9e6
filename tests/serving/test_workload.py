"""Workloads have the rates, spreads and lengths they promise, and come back from files as they were."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.errors import LessonError
from lessons.serving import workload as w


def gaps(arrivals, count=40_000):
    random = Random(3)
    return np.array([arrivals.draw(random) for _ in range(count)])


@pytest.mark.parametrize(
    "arrivals, cv", [(w.Poisson(5.0), 1.0), (w.Bursty(5.0, 1.0), 1.0), (w.Bursty(5.0, 3.0), 3.0)]
)
def test_arrivals_have_their_rate_and_their_burstiness(arrivals, cv):
    x = gaps(arrivals)
    assert x.mean() == pytest.approx(1 / 5, rel=0.05)
    assert x.std() / x.mean() == pytest.approx(cv, rel=0.05)


def test_poisson_arrivals_are_memoryless_and_bursts_are_not():
    """The chance of a gap above t, given one above s, is that of a gap above t - s; in bursts it is larger."""
    for arrivals, memoryless in ((w.Poisson(1.0), True), (w.Bursty(1.0, 3.0), False)):
        x = gaps(arrivals)
        given_one, plain = (x > 2).mean() / (x > 1).mean(), (x > 1).mean()
        assert (abs(given_one - plain) < 0.02) == memoryless


def test_lengths_have_their_means_and_limits():
    random = Random(1)
    x = np.array([w.LogNormal(100, 0.5, 10_000).draw(random) for _ in range(20_000)])
    assert x.mean() == pytest.approx(100, rel=0.02)
    assert np.log(x).std() == pytest.approx(0.5, rel=0.03)
    x = np.array([w.LogNormal(100, 1.0, 150).draw(random) for _ in range(2000)])
    assert x.max() <= 150 and x.min() >= 1
    x = np.array([w.Uniform(3, 5).draw(random) for _ in range(200)])
    assert set(x) == {3, 4, 5}


def make(seed, outputs=w.Fixed(4)):  # noqa: B008 (frozen)
    return list(
        w.workload(30, w.Poisson(2.0), w.Uniform(1, 9), outputs, seed=seed, vocab=50, prefix=6, groups=3)
    )


def described(requests):
    return [(r.id, r.arrival, r.prompt_tokens, r.max_tokens, r.prompt_ids) for r in requests]


def test_the_seed_decides_and_streams_are_apart():
    assert described(make(1)) == described(make(1)) != described(make(2))
    longer = make(1, w.Uniform(5, 9))
    assert [r.arrival for r in longer] == [r.arrival for r in make(1)]
    assert [r.prompt_ids for r in longer] == [r.prompt_ids for r in make(1)]


def test_groups_share_their_prefix():
    requests = make(1)
    assert len({r.prompt_ids[:6] for r in requests}) == 3
    assert all(len(r.prompt_ids) == r.prompt_tokens >= 7 for r in requests)
    assert len({r.prompt_ids[6:] for r in requests}) > 25
    assert all(0 <= token < 50 for r in requests for token in r.prompt_ids)


def test_bad_sizes_are_refused():
    with pytest.raises(LessonError, match="0 requests"):
        list(w.workload(0, w.AtOnce(), w.Fixed(1), w.Fixed(1), seed=1))


@given(st.lists(st.tuples(st.floats(0, 1e6), st.lists(st.integers(0, 99), min_size=1), st.integers(1, 99))))
def test_traces_come_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("trace") / "trace.jsonl"
    requests = [
        w.Request(i, at, len(ids), tokens, tuple(ids) if i % 2 else None)
        for i, (at, ids, tokens) in enumerate(rows)
    ]
    w.write_trace(path, requests)
    assert described(w.read_trace(path)) == described(requests)


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"id": 1}', '{"id":1,"arrival":0,"prompt_tokens":"x","max_tokens":1}']
)
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "trace.jsonl"
    path.write_text('{"id":1,"arrival":0,"prompt_tokens":2,"max_tokens":1}\n' + line + "\n")
    with pytest.raises(LessonError, match="line 2"):
        list(w.read_trace(path))
