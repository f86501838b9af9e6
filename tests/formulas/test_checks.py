"""Each message names the value, the limit and the remedy."""

import math

import pytest

from lessons.formulas import checks


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: checks.positive(bandwidth=-3.0), ["bandwidth", "-3.0", "greater than 0"]),
        (lambda: checks.positive(bandwidth=math.nan), ["nan"]),
        (lambda: checks.not_negative(cost=-1), ["cost", "-1", "0 or more"]),
        (lambda: checks.whole(layers=1.5), ["layers", "1.5", "whole number"]),
        (lambda: checks.whole(layers=0), ["layers", "0", "1 or more"]),
        (lambda: checks.fraction(share=20), ["share", "20", "between 0 and 1", "0.2"]),
        (lambda: checks.distribution(target=[0.5, 0.4]), ["target", "0.9", "sum 1"]),
        (lambda: checks.distribution(target=[1.5, -0.5]), ["target", "-0.5"]),
        (lambda: checks.choice("policy", "fifo", ("max", "oracle")), ["policy", "'fifo'", "'oracle'"]),
    ],
)
def test_a_bad_value_is_named_with_its_limit_and_the_remedy(call, words):
    with pytest.raises(ValueError) as error:
        call()
    for word in words:
        assert word in str(error.value)
