"""The sum of a ratio, made of the two sums that it divides."""

from __future__ import annotations

from collections.abc import Mapping

from lessons.experiments.derivation import SYMBOL, Derivation, Operand
from lessons.units import Quantity


def ratio(
    ends: Mapping[str, str], operands: Mapping[str, Operand], unit: str = "s"
) -> tuple[Derivation, dict[str, Quantity]]:
    """Return the one line that a ratio is, and both values that it divides.

    Args:
        ends: two formulas by their names, the upper one first; each a call, as of ``max``, or one symbol.
        operands: by symbol; all that the two need together.
        unit: of both values.
    """
    upper, lower = ends.values()
    values = {
        name: Derivation(formula, {s: o for s, o in operands.items() if s in SYMBOL.findall(formula)})
        for name, formula in ends.items()
    }
    return Derivation(f"{upper} / {lower}", operands), {name: v.quantity(unit) for name, v in values.items()}
