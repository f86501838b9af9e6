import time

import pytest
from numba import njit

from lessons.measure.museum import Exhibit, cached_input, compile_in_timer, gib_for_gb
from lessons.units import GiB, Quantity


def test_the_compiler_inside_the_timer_says_too_much():
    exhibit = compile_in_timer(lambda: njit(lambda: 1 + 1))
    assert exhibit.wrong.unit == exhibit.right.unit == "s"
    # Compiling takes tens of milliseconds, and the call less than a microsecond.
    assert exhibit.factor > 100
    assert "warm up" in exhibit.why


def test_each_buffer_is_divided_by_its_own_bytes():
    exhibit = cached_input(time.sleep, 0.001, 0.02, 1000, 2000)
    assert exhibit.wrong.unit == "B/s"
    assert 0 < exhibit.wrong.value <= 1000 / 0.001
    assert 0 < exhibit.right.value <= 2000 / 0.02


def test_a_gib_called_a_gb_loses_seven_per_cent():
    exhibit = gib_for_gb(80 * GiB)
    assert exhibit.wrong.value == 80
    assert exhibit.right.value == pytest.approx(85.9, abs=0.01)
    assert exhibit.factor == pytest.approx(0.931, abs=1e-3)


@pytest.mark.parametrize(
    ("wrong", "above", "works"),
    [(2.0, True, True), (0.5, True, False), (1.02, True, False), (0.5, False, True), (2.0, False, False)],
)
def test_an_exhibit_that_did_not_work_says_so(wrong, above, works):
    near = lambda value: Quantity(value, "B/s", 0.95 * value, 1.05 * value, 9)  # noqa: E731
    exhibit = Exhibit("a mistake", near(wrong), near(1.0), "do better", above)
    assert exhibit.works == works
    assert ("did not work" in exhibit.why) == (not works) and "do better" in exhibit.why
