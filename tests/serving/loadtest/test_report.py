"""A report counts what failed as missed, and names each kind of failure once."""

import pytest

from lessons.serving.loadtest.report import Report
from lessons.serving.metrics import SLO
from lessons.serving.request import Request

from .fakes import GOOD, WARMING, measured


def finished(arrival=0.0, times=(0.5, 0.6)):
    request = Request(0, arrival, 4, len(times))
    request.token_times = list(times)
    return request


def test_four_of_eight_refused_is_half(fake):
    fake.say = lambda body, number: GOOD if number < WARMING or number % 2 else (429, b"busy")
    report = measured(fake, 8)
    assert report.failures == {"HTTP 429: busy": 4} and report.to_json()["attainment"] == 0.5
    assert "50% met" in str(report)


@pytest.mark.parametrize(
    "good, slow, failed, share", [(3, 1, 0, 0.75), (3, 1, 4, 0.375), (1, 0, 9, 0.1), (0, 0, 3, 0.0)]
)
def test_attainment_is_over_all_that_ended(good, slow, failed, share):
    report = Report(SLO(1.0, 1.0))
    for _ in range(good):
        report.add(finished())
    for _ in range(slow):
        report.add(finished(times=(3.0, 3.1)))
    for _ in range(failed):
        report.fail("broken")
    assert report.to_json()["attainment"] == pytest.approx(share)


def test_nothing_ended_is_no_share():
    assert Report(SLO(1.0, 1.0)).to_json()["attainment"] is None


def test_reasons_that_differ_by_numbers_are_one_line():
    report = Report(SLO(1.0, 1.0))
    for n in (8561, 90, 8646):
        report.fail(f"HTTP 400: the prompt has {n} tokens")
    report.fail("HTTP 500: the prompt has 7 tokens")
    report.fail("HTTP 429: busy")
    report.fail("HTTP 429: busy")
    assert report.failures == {
        "HTTP 400: the prompt has 8561 tokens": 3,
        "HTTP 500: the prompt has 7 tokens": 1,
        "HTTP 429: busy": 2,
    }
    lines = str(report).split("\n")
    assert len(lines) == 4 and lines[0].endswith("0 finished, 6 failed")
    assert lines[1].endswith("3 x HTTP 400: the prompt has 8561 tokens (and other numbers)")
    assert lines[2].endswith("2 x HTTP 429: busy")


def test_refusals_of_a_server_are_one_line(fake):
    def say(body, number):
        return (400, f"the prompt has {8000 + number} tokens".encode()) if number >= WARMING else GOOD

    fake.say = say
    assert list(measured(fake, 5).failures.values()) == [5]
