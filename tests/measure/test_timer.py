import gc

import pytest

from lessons.measure import time
from lessons.measure.timer import Timing, quiet


def test_a_timing_gives_the_median_and_the_best_as_times_and_rates():
    timing = Timing((0.5, 0.1, 0.2, 0.4, 0.25))
    assert timing.median().value == 0.25
    assert timing.best() == 0.1
    assert timing.rate(100, "B/s").value == 400
    best = timing.best_rate(100, "B/s")
    assert (best.value, best.low, best.high, best.n) == (1000, 400, 1000, 5)


def test_sampling_goes_on_until_the_time_is_spent():
    timing = time(lambda: sum(range(1000)), samples=2, min_seconds=0.02)
    assert len(timing.seconds) > 2
    assert sum(timing.seconds) * timing.calls >= 0.02 * (1 - 1e-9)


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        time(lambda: None, samples=0)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was_even_after_an_error(enabled):
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(ZeroDivisionError), quiet():
            assert not gc.isenabled()
            raise ZeroDivisionError
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_the_timed_function_runs_without_the_collector():
    seen = []
    time(lambda: seen.append(gc.isenabled()), warmup=0, samples=3)
    assert not any(seen)
