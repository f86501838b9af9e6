"""The test of the exercise: run `.venv/bin/python -m pytest exercises/roofline` and read what a red test says."""

import pytest
from diagnose import Line, diagnose

# A card with round numbers: its ridge is at 100 FLOP per byte, and a launch takes as long as 10 kB.
PEAK, BANDWIDTH, LAUNCH = 1e12, 1e10, 1e-6


def of(*lines):
    return diagnose([Line(*line) for line in lines], PEAK, BANDWIDTH, LAUNCH)


@pytest.mark.parametrize(
    ("flop", "moved", "launches", "regime"),
    [(1e9, 1e6, 1, "arithmetic"), (1e7, 1e7, 1, "bandwidth"), (1e3, 1e3, 500, "overhead")],
)
def test_the_longest_of_three_times_names_the_regime(flop, moved, launches, regime):
    bound = max(flop / PEAK, moved / BANDWIDTH, launches * LAUNCH)
    (found,) = of(("op", launches, flop, moved, 1.25 * bound))
    assert found.regime == regime, f"the longest time of this line is that of its {regime}"
    assert found.share == pytest.approx(0.8), (
        "the share is the bound over the time, not the time over the bound"
    )


def test_the_three_overlap_and_are_not_added():
    (found,) = of(("balanced", 1, 1e8, 1e6, 1e-4))
    assert found.share == pytest.approx(1), "arithmetic and bytes take 0.1 ms each, at the same time"
    assert found.regime == "arithmetic", "a tie goes to arithmetic first, then to bandwidth"


def test_far_under_all_three_roofs_something_else_limits():
    (found,) = of(("chase", 1, 0, 1e6, 1e-3))
    assert found.regime == "neither", "a tenth of the slope is no bandwidth limit"
    assert found.share == pytest.approx(0.1)


def test_the_lines_are_sorted_by_seconds_lost_and_not_by_their_share():
    findings = of(
        ("near its roof, but long", 1, 0, 1e9, 0.13),
        ("far under its roof, but short", 1, 0, 1e4, 1e-4),
        ("at its roof", 1, 0, 1e8, 0.01),
    )
    assert findings[0].name == "near its roof, but long", "30 ms are lost there, and 0.1 ms in the other"
    assert findings[0].lost == pytest.approx(0.03)
    assert findings[-1].name == "at its roof" and findings[-1].lost == pytest.approx(0, abs=1e-12)


def test_faster_than_its_bound_loses_nothing():
    (found,) = of(("from a cache", 1, 0, 1e9, 0.05))
    assert found.share == pytest.approx(2), "what fits in a cache can beat the slope of memory: show it"
    assert found.lost == 0, "it has no seconds to give back"


def test_every_launch_pays():
    many, one = of(("many", 1000, 1e6, 1e6, 1e-3), ("one", 1, 1e6, 1e6, 1e-4))
    by_name = {f.name: f for f in (many, one)}
    assert by_name["many"].regime == "overhead", "1,000 launches of 1 µs take longer than the bytes"
    assert by_name["one"].regime == "bandwidth", "the same bytes in one launch do not"
