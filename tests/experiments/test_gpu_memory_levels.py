"""GPU memory: the levels of the cards against sums worked out by hand."""

import itertools
import re

import pytest

from lessons import datasheets
from lessons.errors import LessonError
from lessons.experiments.gpu_memory import levels
from lessons.units import KiB, MiB

EXAMPLES = []


def level(card, name):
    return next(found for found in levels.levels(card) if found.name == name)


def test_the_levels_of_an_h100_are_those_worked_out_by_hand():
    assert level("h100_sxm", "registers").total == 132 * 256 * KiB
    assert level("h100_sxm", "L1 + shared").total == 132 * 256 * KiB
    assert level("h100_sxm", "L2").total == 50 * MiB
    # 989.4 TFLOP/s are 132 SMs of 4 tensor cores of 512 fused multiply-adds at 1.83 GHz.
    assert level("h100_sxm", "L1 + shared").low == pytest.approx(132 * 128 * 1.83e9, rel=1e-3)
    assert level("h100_sxm", "registers").low == pytest.approx(132 * 128 * 3 * 4 * 1.83e9, rel=1e-3)
    assert level("h100_sxm", "memory").low == 3.35e12


@pytest.mark.parametrize("card", levels.CARDS.values())
def test_nearer_levels_deliver_more_and_answer_sooner(card):
    found = levels.levels(card)
    rates = [(one.low, one.high) for one in found if one.low]
    assert all(outer[1] < inner[0] for inner, outer in itertools.pairwise(rates))
    waits = [min(wait.cycles for wait in one.waits) for one in found if one.waits]
    assert waits == sorted(waits)
    assert [one.name for one in found if one.name != "tensor memory"] == [
        "registers",
        "L1 + shared",
        "L2",
        "memory",
    ]


def test_tensor_memory_is_a_level_of_blackwell_alone():
    assert [
        card for card in levels.CARDS.values() if any(x.name == "tensor memory" for x in levels.levels(card))
    ] == ["b200_sxm"]


def test_a_wait_for_memory_is_never_that_of_another_card():
    """The H200 has the SM of an H100 and another memory, and nobody's measurement of it was found."""
    assert level("h200_sxm", "memory").waits == ()
    assert level("h200_sxm", "L1 + shared").waits
    for card in levels.CARDS.values():
        assert all(card in wait.measured.cards for wait in level(card, "memory").waits)


def test_a_cards_own_measurement_comes_first_and_its_time_needs_a_clock():
    l1 = level("h100_pcie", "L1 + shared").waits[0]
    assert l1.measured.key == "h100_pcie_gpu_benches" and l1.seconds == pytest.approx(19.5e-9, rel=1e-2)
    assert level("b200_sxm", "L2").waits[0].seconds is None


def test_the_tables_have_a_cell_for_each_heading():
    tables = [(levels.COLUMNS, levels.rows(card)) for card in levels.CARDS.values()]
    tables += [(levels.CARD_COLUMNS, levels.card_rows()), (levels.WAIT_COLUMNS, levels.wait_rows())]
    for columns, rows in tables:
        assert rows and all(len(row) == len(columns) for row in rows)
    assert len(levels.card_rows()) == len(levels.CARDS)
    assert len(levels.wait_rows()) == len(datasheets.table("gpu_levels"))


def test_what_the_text_says_of_the_tables_is_so():
    """Its sentences compare: each comparison, from the tables."""
    text = levels.told()
    assert not re.search(r"\{\w+\}", text)
    for card, more in zip(levels.CARDS.values(), (True, True, True, False, False)):
        on_sms = sum(found.total for found in levels.levels(card) if found.per_sm)
        assert (on_sms > level(card, "L2").total) == more
    own = [m for m in datasheets.table("gpu_levels").values() if "h100_sxm" in m.cards]
    assert max(own, key=lambda m: m.memory).method == "first loads" != min(own, key=lambda m: m.memory).method
    sms = {datasheets.multiprocessor_of(card).key for card in ("h100_sxm", "h200_sxm")}
    assert len(sms) == 1
    assert level("h200_sxm", "L2").total > level("h100_sxm", "L2").total


def test_a_card_without_its_sm_is_told_which_have_one():
    with pytest.raises(LessonError, match="not in the table"):
        levels.levels("mi300x")
