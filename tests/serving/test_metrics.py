"""Metrics against their definitions, worked out one request at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.errors import LessonError
from lessons.serving.metrics import SLO, Metrics, max_rate
from lessons.serving.request import Request


def finished(arrival, times):
    request = Request(0, arrival, 1, len(times))
    request.token_times = list(times)
    return request


def test_one_request_by_hand():
    m = Metrics([finished(1.0, [3.0, 4.0, 4.5, 7.0])])
    assert m.ttft(50) == 2.0
    assert m.tpot(50) == pytest.approx(4 / 3)
    assert [m.itl(p) for p in (1, 50, 100)] == pytest.approx([0.5, 1.0, 2.5], rel=0.005)
    assert m.throughput() == pytest.approx(4 / 6)


GAPS = st.lists(st.floats(1e-4, 50), min_size=0, max_size=12)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.001, 20), GAPS), min_size=1, max_size=12))
def test_percentiles_are_those_of_the_sorted_values(rows):
    requests = [finished(a, a + first + np.cumsum([0, *gaps])) for a, first, gaps in rows]
    m = Metrics(requests)
    ttft = [r.token_times[0] - r.arrival for r in requests]
    itl = [b - a for r in requests for a, b in zip(r.token_times, r.token_times[1:])]
    for p in (1, 50, 90, 99, 100):
        assert m.ttft(p) == np.percentile(ttft, p, method="inverted_cdf")
        if itl:
            want = np.percentile(itl, p, method="inverted_cdf")
            assert m.itl(p) == pytest.approx(want, rel=0.0051)
    slo = SLO(5.0, 2.0)
    met = [
        r.token_times[0] - r.arrival <= 5.0
        and (r.token_times[-1] - r.token_times[0]) / max(1, len(r.token_times) - 1) <= 2.0
        for r in requests
    ]
    assert m.attainment(slo) == pytest.approx(np.mean(met))
    assert m.goodput(slo) * (m.end - m.begin) == pytest.approx(sum(met))
    assert len(m) == len(requests) and m.tokens == sum(len(r.token_times) for r in requests)


def test_an_answer_of_one_token_has_no_tpot_to_miss():
    m = Metrics([finished(0.0, [1.0])])
    assert m.attainment(SLO(1.0, 0.0)) == 1.0
    with pytest.raises(LessonError, match="nothing to take a percentile of"):
        m.tpot(50)
    with pytest.raises(LessonError, match="percentile is 0"):
        m.ttft(0)


def test_the_greatest_rate_is_where_attainment_falls_through_the_goal():
    curve = lambda rate: 1 - rate / 20  # noqa: E731 (90 % at 2 a second)
    assert max_rate(curve, 16.0, steps=20) == pytest.approx(2.0, abs=1e-4)
    with pytest.raises(LessonError, match="higher rate"):
        max_rate(curve, 1.0)
