"""What looks like a mistake is explained only where the intervals say that it is there."""

import pytest

from lessons.passport import Passport
from lessons.passport.oddities import RULES, oddities
from lessons.units import Quantity


def passport(spread=0.02, **changes):
    """A machine on which nothing is odd, in GFLOP/s, but for some peaks."""
    rates = {"flops.float32": 100, "flops.float64": 50, "flops.int8": 400}
    rates |= {"matmul.float32": 80, "matmul.bfloat16": 80}
    rates |= {key.replace("__", "."): rate for key, rate in changes.items()}
    peaks = {
        f"cpu.{key}.1": Quantity(
            rate, "OP/s" if "int8" in key else "FLOP/s", rate * (1 - spread), rate * (1 + spread), 15
        )
        for key, rate in rates.items()
        if rate
    }
    return Passport({"cores": 1, "caches": []}, "made up", "2026-01-01", {}, peaks)


def test_an_ordinary_machine_has_none():
    assert oddities(passport()) == []


@pytest.mark.parametrize(
    ("changes", "rule", "side"),
    [
        ({"matmul__bfloat16": 1}, 0, "below"),
        ({"matmul__bfloat16": 200}, 0, "above"),
        ({"flops__int8": 170}, 1, "below"),
        ({"flops__int8": 900}, 1, "above"),
        ({"flops__float64": 39}, 2, "below"),
        ({"flops__float64": 90}, 2, "above"),
        ({"matmul__float32": 11, "matmul__bfloat16": 11}, 3, "below"),
        ({"matmul__float32": 190, "matmul__bfloat16": 190}, 3, "above"),
    ],
)
def test_each_oddity_is_told_with_its_ratio(changes, rule, side):
    (sentence,) = oddities(passport(**changes))
    words = getattr(RULES[rule], side).split("{ratio}")
    assert sentence.startswith(words[0]) and sentence.endswith(words[1])


def test_what_the_interval_leaves_open_is_not_told():
    assert oddities(passport(flops__int8=280)) and not oddities(passport(spread=0.2, flops__int8=280))


def test_a_missing_peak_is_passed_over():
    assert oddities(passport(flops__int8=0, flops__float64=20)) == oddities(passport(flops__float64=20))
