"""When requests are sent: in their order, counted from the first, and none that could never be."""

import asyncio

import pytest

from lessons.errors import LessonError
from lessons.serving.loadtest import load_test
from lessons.serving.metrics import SLO
from lessons.serving.request import Request

from .fakes import GOOD, WARMING

DAY = 86400.0


def sent(fake, requests, **options):
    return asyncio.run(load_test(fake.url, requests, slo=SLO(60, 60), **options))


def trace(*arrivals):
    return [Request(n, at, 2, 4, (n, n)) for n, at in enumerate(arrivals)]


@pytest.mark.parametrize("origin", [0.0, 1_695_000_000.0, -5.0])
def test_arrivals_count_from_the_first_in_any_order(fake, origin):
    order = []

    def say(body, number):
        if number >= WARMING:
            order.append(body["prompt"][0])
        return GOOD

    fake.say = say
    requests = trace(origin + 0.5, origin, origin + 0.25)
    report = sent(fake, requests)
    assert order == [1, 2, 0] and [request.arrival for request in requests] == [0.5, 0, 0.25]
    assert report.to_json()["seconds"] >= 0.5 and report.metrics.begin == 0


@pytest.mark.parametrize(
    "requests, words",
    [
        (trace(0, float("inf")), "arrives at inf"),
        (trace(float("nan"), 0), "arrives at nan"),
        (trace(0, 8 * DAY), "691200 s after the first"),
        (trace(1_695_000_000, 0), "give arrivals in seconds"),
        ([Request(0, 0.0, 10**12, 1)], "no server takes"),
        ([Request(0, 0.0, 1, 10**12)], "no server takes"),
    ],
)
def test_what_could_never_be_sent_is_refused_before_the_first(fake, requests, words):
    with pytest.raises(LessonError, match=words):
        sent(fake, requests)
    assert fake.headers == []


def test_in_a_closed_loop_arrivals_do_not_matter(fake):
    assert len(sent(fake, trace(0, 1e12), concurrency=2).metrics) == 2
