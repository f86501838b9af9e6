import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons import units
from lessons.units import Quantity

positive = st.floats(1e-9, 1e15)


@st.composite
def measured(draw, unit="s"):
    low, value, high = sorted(draw(st.lists(positive, min_size=3, max_size=3)))
    return Quantity(value, unit, low, high, draw(st.integers(1, 100)))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3.35e12, "B/s", "3.35 TB/s"),
        (999.6e9, "B/s", "1.00 TB/s"),
        (131072, "B", "131 kB"),
        (12, "B", "12.0 B"),
        (2.5e-6, "s", "2.50 µs"),
        (90, "s", "90.0 s"),
        (0, "s", "0 ns"),
        (0.204, "%", "20.4 %"),
        (1.5, "1", "1.50"),
        (12345.6, "tokens/s", "12,300 tokens/s"),
        (989e12, "FLOP/s", "989 TFLOP/s"),
        (math.inf, "s", "inf s"),
        (math.nan, "1", "nan"),
    ],
)
def test_numbers_are_written_as_one_reads_them(value, unit, text):
    assert units.format_value(value, unit) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(32768, "32 KiB"), (1 << 20, "1 MiB"), (48 << 10, "48 KiB"), (3 << 30, "3 GiB"), (100, "100 B")],
)
def test_caches_and_pages_are_binary(size, text):
    assert units.format_binary(size) == text


def test_gb_and_gib_differ_by_seven_per_cent():
    assert units.format_bytes(units.GB) == "1.00 GB"
    assert units.format_bytes(units.GiB) == "1.07 GB"


@given(positive, st.sampled_from(["B", "B/s", "s", "FLOP/s"]))
def test_the_printed_number_is_the_value_within_its_digits(value, unit):
    number, prefixed = units.format_value(value, unit).split(" ")
    prefix = prefixed[: len(prefixed) - len(unit)]
    scale = dict(
        zip(["", "k", "M", "G", "T", "P", "m", "µ", "n"], [1, 1e3, 1e6, 1e9, 1e12, 1e15, 1e-3, 1e-6, 1e-9])
    )
    assert float(number.replace(",", "")) * scale[prefix] == pytest.approx(value, rel=6e-3)


@given(measured())
def test_a_quantity_survives_json(quantity):
    assert Quantity.from_json(quantity.to_json()) == quantity


@given(measured(), measured())
def test_a_ratio_encloses_every_ratio_of_the_intervals(a, b):
    ratio = a.ratio(b)
    for x in (a.low, a.value, a.high):
        for y in (b.low, b.value, b.high):
            assert ratio.low * (1 - 1e-12) <= x / y <= ratio.high * (1 + 1e-12)


signed = st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-9)


@st.composite
def difference(draw):
    low, value, high = sorted(draw(st.lists(signed, min_size=3, max_size=3)))
    return Quantity(value, "s", low, high, 9)


@given(difference(), difference(), st.floats(0, 1), st.floats(0, 1))
def test_a_ratio_of_any_signs_encloses_every_ratio_or_is_unbounded(a, b, s, t):
    ratio = a.ratio(b)
    x, y = a.low + s * (a.high - a.low), b.low + t * (b.high - b.low)
    assert math.isnan(ratio.value) == (b.value == 0)
    assert math.isnan(ratio.value) or ratio.low <= ratio.value <= ratio.high
    if b.low <= 0 <= b.high:
        assert (ratio.low, ratio.high) == (-math.inf, math.inf)
    else:
        slack = 1e-9 * max(abs(ratio.low), abs(ratio.high), 1e-9)
        assert ratio.low - slack <= x / y <= ratio.high + slack


def test_a_ratio_over_zero_says_so():
    crossing = Quantity(0.02, "1", -0.1, 0.1, 5)
    assert str(Quantity(1.0, "1").ratio(crossing)) == "50.0 (unbounded)"
    assert str(Quantity(3.0, "s").ratio(Quantity(0.0, "s"))) == "undefined"
    assert str(Quantity(0.0, "s").inverse(8, "B/s")) == "undefined"


@given(measured(), st.floats(1, 1e6))
def test_an_amount_over_a_time_is_a_rate_and_back(quantity, amount):
    rate = quantity.inverse(amount, "B/s")
    assert rate.low <= rate.value <= rate.high and rate.unit == "B/s"
    again = rate.inverse(amount, "s")
    assert (again.value, again.low, again.high) == pytest.approx(
        (quantity.value, quantity.low, quantity.high)
    )


def test_scaling_scales_the_interval():
    assert Quantity(2.0, "s", 1.0, 3.0, 5).scaled(10, "B") == Quantity(20.0, "B", 10.0, 30.0, 5)


def test_an_exact_number_has_no_interval():
    assert str(Quantity(2e9, "B/s")) == "2.00 GB/s"
    assert str(Quantity(2e9, "B/s", 1e9, 3e9, 7)) == "2.00 GB/s (1.00 to 3.00)"
    assert str(Quantity(2e9, "B/s", 9e8, 3e9, 7)) == "2.00 GB/s (900 MB/s to 3.00 GB/s)"
    assert str(Quantity(2.0, "1", 1.0, 3.0, 7)) == "2.00 (1.00 to 3.00)"


def test_units_must_agree():
    with pytest.raises(ValueError, match="'s' and 'B'"):
        Quantity(1, "s").ratio(Quantity(1, "B"))
