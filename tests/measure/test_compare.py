from itertools import count, cycle

import pytest

from lessons.measure import compare, time
from lessons.measure import compare as compare_module
from lessons.measure.compare import verdict
from lessons.units import Quantity


class Clock:
    """A clock that only the timed functions move, so that a comparison has a known answer."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def work(self, seconds):
        steps = iter(seconds)

        def run():
            self.now += next(steps)

        return run


@pytest.fixture
def clock(monkeypatch):
    import sys

    clock = Clock()
    monkeypatch.setattr(sys.modules["lessons.measure.compare"], "perf_counter", clock)
    return clock


def constant(seconds):
    return (seconds for _ in count())


def test_a_function_that_takes_half_the_time_has_the_ratio_two(clock):
    result = compare(clock.work(constant(1.0)), clock.work(constant(2.0)))
    assert result.ratio.value == pytest.approx(2.0)
    assert result.guard == pytest.approx(1.0)
    assert result.verdict == "faster"


def test_a_slow_drift_of_the_clock_does_not_change_the_ratio(clock):
    def drifting(base):
        while True:
            yield base * (1 + clock.now / 500)

    result = compare(clock.work(drifting(1.0)), clock.work(drifting(1.5)), rounds=30)
    assert result.ratio.value == pytest.approx(1.5, rel=0.02)


def test_a_peer_that_differs_from_itself_forbids_a_verdict(clock):
    result = compare(clock.work(constant(1.0)), clock.work(cycle((1.0, 1.3))), warmup=0)
    assert result.guard < 0.95 or result.guard > 1.05
    assert result.verdict == "can't tell"


def test_verdicts():
    assert verdict(Quantity(1.2, "1", 1.1, 1.3), 1.0) == "faster"
    assert verdict(Quantity(0.8, "1", 0.7, 0.9), 1.0) == "slower"
    assert verdict(Quantity(1.0, "1", 0.9, 1.1), 1.0) == "equal"
    assert verdict(Quantity(1.2, "1", 1.1, 1.3), 0.9) == "can't tell"
    # An interval that holds 1 and much else shows no equality.
    assert verdict(Quantity(1.5, "1", 0.9, 4.6), 1.0) == "can't tell"
    assert verdict(Quantity(0.9, "1", 0.5, 1.01), 1.0) == "can't tell"


def test_too_few_rounds_are_refused():
    with pytest.raises(ValueError, match="at least 6"):
        compare(lambda: None, lambda: None, rounds=5)


def test_time_makes_the_warmup_and_the_samples_it_was_asked_for():
    calls = []
    timing = time(lambda: calls.append(1), warmup=3, samples=9, min_sample_seconds=0.0)
    assert len(timing.seconds) == 9
    assert len(calls) == 3 + 1 + 9  # warm-up, one to size the sample, the samples
    assert min(timing.seconds) >= 0
    assert compare_module is compare


def test_short_calls_are_repeated_inside_a_sample():
    timing = time(lambda: None, samples=3, min_sample_seconds=1e-3)
    assert timing.calls > 1


def test_a_disturbance_that_hits_each_call_alike_does_not_favour_us(clock):
    # Two calls in five are interrupted and take ten times as long, whichever side they belong to.
    slow = cycle((1, 1, 10, 1, 10))

    def disturbed():
        while True:
            yield 1.0 * next(slow)

    result = compare(clock.work(disturbed()), clock.work(disturbed()), rounds=30, warmup=0)
    assert result.ratio.low <= 1 <= result.ratio.high
    assert result.ratio.value == pytest.approx(1.0)


def test_what_runs_before_each_sample_is_not_in_its_time_and_undoes_what_the_last_call_left(clock):
    warm = {"peer": False}

    def cool():
        clock.now += 5.0
        warm["peer"] = False

    def peer():  # twice as fast after itself, as with data that stayed in a cache
        clock.now += 0.5 if warm["peer"] else 1.0
        warm["peer"] = True

    def ours():
        clock.now += 1.0
        warm["peer"] = False

    assert not 0.95 <= compare(ours, peer).guard <= 1.05
    cooled = compare(ours, peer, before=cool)
    assert cooled.guard == pytest.approx(1.0)
    assert cooled.ratio.value == pytest.approx(1.0)
