"""A prediction worked out as on paper: the formula, the numbers put in, where each comes from, and the result."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lessons.units import Quantity, format_value

SYMBOL = re.compile(r"[A-Za-z]\w*")
FUNCTIONS: dict[str, Callable[..., float]] = {"max": max, "min": min, "sqrt": lambda x: x**0.5}
OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
SIGNS = {"*": "×", "-": "−", "**": "^"}
UNPREFIXED = ("1", "rows", "tokens")  # units that take no prefix
COUNTED = ("B", "FLOP", "OP")  # what is counted too, and takes a prefix from 1,000 on
DIGITS = 4  # significant, so that who recomputes a result from the shown operands gets it


@dataclass(frozen=True)
class Operand:
    """One number of a formula.

    Attributes:
        name: what it is, in a few words.
        quantity: its value; one of the passport carries its row as its source.
        source: where it comes from, where that is not a row of the passport: "counted", "published", "simulated".
    """

    name: str
    quantity: Quantity
    source: str = ""

    @property
    def row(self) -> str:
        """The passport's row, such as "cpu.bandwidth.read.dram.1", or nothing."""
        return self.quantity.source

    @property
    def shown(self) -> str:
        """The value as readers see it, with its unit; what can be counted has no decimals."""
        value, unit = float(self.quantity.value), self.quantity.unit
        if value.is_integer() and (unit in UNPREFIXED or (unit in COUNTED and abs(value) < 1000)):
            return f"{value:,.0f} {unit}".removesuffix(" 1")
        return format_value(value, unit, DIGITS)


@dataclass(frozen=True)
class Derivation:
    """A formula over named operands. A prediction is what it gives, so the shown sum is the one that was used.

    Attributes:
        formula: Python's arithmetic over the operands' symbols and numbers: ``+ - * / **``, ``max``, ``min``, ``sqrt``.
        operands: by symbol, each of which the formula uses.
    """

    formula: str
    operands: Mapping[str, Operand]

    def __post_init__(self) -> None:
        used = set(SYMBOL.findall(self.formula)) - set(FUNCTIONS)
        if used != set(self.operands):
            raise ValueError(
                f"the formula {self.formula!r} uses {sorted(used)}, but its operands are {sorted(self.operands)}; "
                "give each symbol its operand and leave out the others"
            )

    @property
    def value(self) -> float:
        """What the formula gives, in base units."""
        return self._value(ast.parse(self.formula, mode="eval").body)

    def quantity(self, unit: str) -> Quantity:
        """Return the result as a number without an interval."""
        return Quantity(self.value, unit)

    def substituted(self) -> str:
        """Return the formula with the values in the symbols' places."""
        return _typeset(self.formula, {symbol: o.shown for symbol, o in self.operands.items()})

    def written(self) -> str:
        """Return the formula with its symbols."""
        return _typeset(self.formula, {})

    def to_json(self) -> dict[str, Any]:
        return {
            "formula": self.formula,
            "operands": {
                symbol: {"name": o.name, "quantity": o.quantity.to_json(), "source": o.source, "row": o.row}
                for symbol, o in self.operands.items()
            },
        }

    @staticmethod
    def from_json(record: dict[str, Any]) -> Derivation:
        operands = {
            symbol: Operand(o["name"], Quantity.from_json(o["quantity"]).of(o["row"]), o["source"])
            for symbol, o in record["operands"].items()
        }
        return Derivation(record["formula"], operands)

    def _value(self, node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name(id=symbol):
                return self.operands[symbol].quantity.value
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATIONS:
                return OPERATIONS[type(sign)](self._value(left), self._value(right))
            case ast.Call(func=ast.Name(id=name), args=terms) if name in FUNCTIONS:
                return FUNCTIONS[name](*map(self._value, terms))
        raise ValueError(f"a formula is arithmetic over its operands, not {ast.unparse(node)!r}")


def _typeset(formula: str, values: Mapping[str, str]) -> str:
    """Return the formula with signs as they are printed, and values for symbols where there are some."""
    text = re.sub(r"\*\*|\*|-", lambda sign: SIGNS[sign[0]], formula)
    return SYMBOL.sub(lambda symbol: values.get(symbol[0], symbol[0]), text)
