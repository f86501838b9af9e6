"""A sum says of each operand where it comes from, and whether that can be right."""

import pytest

from lessons.experiments.base import Outcome
from lessons.experiments.derivation import Derivation, Operand
from lessons.notebook.derivations import sum_html, sum_text
from lessons.units import Quantity


@pytest.mark.parametrize("shown", [sum_text, sum_html])
def test_an_operand_of_a_doubtful_row_says_so_and_no_other(shown):
    rows = ("cpu.flops.float32.1", "cpu.bandwidth.copy.dram.1")
    peak, copy = Quantity(160e9, "FLOP/s").of(rows[0]), Quantity(16e9, "B/s").of(rows[1])
    by = Derivation("P / R", {"P": Operand("peak", peak), "R": Operand("copy", copy)})
    prediction = Outcome(by.quantity("FLOP/B"), by=by)
    assert "doubtful" not in shown(prediction)
    told = shown(prediction, {rows[1]: "its interval is wide"})
    assert f"{rows[1]}, doubtful" in told and f"{rows[0]}, doubtful" not in told
