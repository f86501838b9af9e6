import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.experiments.derivation import Derivation, Operand
from lessons.units import Quantity

values = st.floats(1e-3, 1e12)
signs = st.sampled_from(["+", "*", "/"])
formulas = st.recursive(
    st.sampled_from(["A", "B", "C", "2"]),
    lambda inner: st.one_of(
        st.tuples(inner, signs, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["max", "min"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        inner.map(lambda x: f"sqrt({x})"),
    ),
    max_leaves=6,
)


def derivation(formula, **numbers):
    return Derivation(
        formula, {s: Operand("a number", Quantity(v, "1"), "chosen") for s, v in numbers.items()}
    )


@given(formulas, values, values, values)
def test_a_formula_means_what_python_means(formula, a, b, c):
    numbers = {s: v for s, v in {"A": a, "B": b, "C": c}.items() if s in formula}
    expected = eval(formula, {"max": max, "min": min, "sqrt": lambda x: x**0.5}, numbers)
    assert derivation(formula, **numbers).value == expected


@pytest.mark.parametrize("formula", ["A", "A + B + C", "A + b"])
def test_each_symbol_has_its_operand_and_each_operand_its_place(formula):
    with pytest.raises(ValueError, match="uses"):
        derivation(formula, A=1, B=2)


@pytest.mark.parametrize("formula", ["A[0]", "A if A else 1", "A or 1", "(lambda: A)()", "'A' + A", "A == 1"])
def test_a_formula_is_arithmetic_and_no_more(formula):
    with pytest.raises(ValueError):
        _ = derivation(formula, A=1).value


def test_it_is_written_with_its_symbols_and_with_its_numbers():
    operands = {
        "W": Operand("bytes of the weights", Quantity(538e6, "B"), "counted"),
        "R": Operand("reads in memory", Quantity(32.3e9, "B/s").of("cpu.bandwidth.read.dram.1")),
    }
    by = Derivation("2 * W / R - 3", operands)
    assert by.written() == "2 × W / R − 3"
    assert by.substituted() == "2 × 538.0 MB / 32.30 GB/s − 3"
    assert operands["R"].row == "cpu.bandwidth.read.dram.1" and operands["W"].row == ""


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (4, "B", "4 B"),
        (4.0, "B", "4 B"),
        (0.5625, "B", "0.5625 B"),
        (4096, "B", "4.096 kB"),
        (2, "FLOP", "2 FLOP"),
        (1, "%", "100.0 %"),
        (2.0, "s", "2.000 s"),
        (12345, "tokens", "12,345 tokens"),
    ],
)
def test_what_is_counted_is_shown_whole(value, unit, shown):
    assert Operand("x", Quantity(value, unit)).shown == shown


def test_it_survives_json():
    by = Derivation(
        "A / B",
        {
            "A": Operand("a", Quantity(1, "s", 0.9, 1.1, 3).of("cpu.latency.dram")),
            "B": Operand("b", Quantity(2, "s"), "x"),
        },
    )
    again = Derivation.from_json(json.loads(json.dumps(by.to_json())))
    assert again == by and again.operands["A"].row == "cpu.latency.dram"
