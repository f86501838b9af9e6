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


def written(tmp_path, content):
    path = tmp_path / "trace.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


LINE = '{{"id": {id}, "arrival": {at}, "prompt_tokens": 2, "max_tokens": 1}}'


@given(
    st.lists(
        st.tuples(st.floats(-1e6, 1e10), st.lists(st.integers(0, 99), min_size=1), st.integers(1, 99)),
        min_size=1,
    )
)
def test_traces_come_back_in_the_order_of_their_arrival(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("trace") / "trace.jsonl"
    requests = [
        w.Request(i, at, len(ids), tokens, tuple(ids) if i % 2 else None)
        for i, (at, ids, tokens) in enumerate(rows)
    ]
    w.write_trace(path, requests)
    assert described(w.read_trace(path)) == described(sorted(requests, key=lambda r: r.arrival))


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "5",
        "null",
        '"text"',
        '{"id": 1}',
        '{"id":2,"arrival":0,"prompt_tokens":"x","max_tokens":1}',
        '{"id":2,"arrival":0,"prompt_tokens":"5","max_tokens":1}',
        '{"id":2,"arrival":0,"prompt_tokens":2.5,"max_tokens":1}',
        '{"id":2,"arrival":0,"prompt_tokens":1e999,"max_tokens":1}',
        '{"id":2,"arrival":0,"prompt_tokens":true,"max_tokens":1}',
        '{"id":2,"arrival":0,"prompt_tokens":0,"max_tokens":1}',
        '{"id":2,"arrival":0,"prompt_tokens":2,"max_tokens":-1}',
        '{"id":null,"arrival":0,"prompt_tokens":2,"max_tokens":1}',
        '{"id":2,"arrival":0,"prompt_tokens":2,"max_tokens":1,"prompt_ids":[1]}',
        '{"id":2,"arrival":0,"prompt_tokens":2,"max_tokens":1,"prompt_ids":5}',
        '{"id":2,"arrival":0,"prompt_tokens":2,"max_tokens":1,"prompt_ids":["1","2"]}',
        '{"id":2,"arrival":0,"prompt_tokens":1,"max_tokens":1,"prompt_ids":{"a":1}}',
        *(LINE.format(id=2, at=at) for at in ("1e999", "NaN", "-Infinity", '"0"', "null", "true", "1" * 400)),
        LINE.format(id=1, at=3),  # the id of the first
        "[" * 100_000,
        '{"id": ' + "9" * 5000 + "}",
        '{"id": "' + "x" * 5000 + '", "arrival": 0}',
    ],
)
def test_a_bad_line_is_named(tmp_path, line):
    path = written(tmp_path, LINE.format(id=1, at=0) + "\n" + line + "\n")
    with pytest.raises(LessonError, match="line 2") as caught:
        w.read_trace(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("content", ["", "\n", " \n\t\n", "\ufeff"])
def test_a_trace_without_requests_is_refused(tmp_path, content):
    with pytest.raises(LessonError, match="no requests"):
        w.read_trace(written(tmp_path, content))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", "{}".encode("utf-16"), b'{"id": "caf\xe9"}'])
def test_a_trace_in_another_encoding_is_refused(tmp_path, content):
    with pytest.raises(LessonError, match="UTF-8") as caught:
        w.read_trace(written(tmp_path, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("begin", ["", "\ufeff", "\n"])
@pytest.mark.parametrize("between", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n \n"])
def test_marks_and_blank_lines_do_no_harm(tmp_path, begin, between, end):
    text = begin + LINE.format(id=1, at=2) + between + LINE.format(id=2, at=0) + end
    assert [r.id for r in w.read_trace(written(tmp_path, text))] == [2, 1]
