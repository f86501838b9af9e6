"""SMs and the measured levels of their memory agree with the accelerators, with arithmetic, and with each other."""

import pytest

from lessons import datasheets
from lessons.datasheets.shapes import CHASES
from lessons.errors import LessonError
from lessons.units import KiB

SMS = datasheets.table("multiprocessors").values()
MEASURED = datasheets.table("gpu_levels").values()
each_sm = pytest.mark.parametrize("sm", SMS, ids=lambda sm: sm.key)
each_measurement = pytest.mark.parametrize("levels", MEASURED, ids=lambda levels: levels.key)
# The boost clocks, in GHz, that card databases and the devices print: a second transcription.
BOOST = {"a100_sxm_80gb": 1.41, "h100_sxm": 1.98, "h200_sxm": 1.98, "b200_sxm": 1.98, "rtx_4090": 2.52}


def test_an_accelerator_has_one_sm():
    cards = [card for sm in SMS for card in sm.cards]
    assert len(set(cards)) == len(cards)
    assert all(datasheets.multiprocessor_of(card).key in {sm.key for sm in SMS} for card in cards)


@each_sm
def test_an_sm_holds_whole_registers_and_shares_its_l1(sm):
    held = datasheets.gpu_limits(sm.capability).registers
    assert held == 64 * KiB, "64 Ki registers of 32 bits on every capability since 3.5"
    for card in map(datasheets.accelerator, sm.cards):
        assert card.shared_bytes is not None
        left = sm.l1_bytes - card.shared_bytes
        assert 0 < left <= 28 * KiB, (
            "shared memory leaves some of the array to the L1, and never much at its most"
        )
    assert sm.key == "sm_" + sm.capability.replace(".", "")


@each_sm
def test_the_printed_matrix_rate_implies_a_clock_that_the_card_reaches(sm):
    """The kind of fault: a rate with 16-bit accumulation or with sparsity, twice too high."""
    for card in map(datasheets.accelerator, set(sm.cards) & set(BOOST)):
        clock = card.bf16 / (card.cores * sm.matrix_rate)
        assert 0.9 * BOOST[card.key] < clock / 1e9 < 1.005 * BOOST[card.key]
        if card.fp32:
            assert card.fp32 / (2 * card.cores * sm.lanes) / 1e9 == pytest.approx(BOOST[card.key], rel=5e-3)


@each_measurement
def test_a_level_further_out_takes_longer_and_reads_slower(levels):
    waits = [levels.shared, levels.l1, levels.l2, levels.l2_far, levels.memory]
    waits = [cycles for cycles in waits if cycles is not None]
    assert waits == sorted(waits) and len(waits) > 1
    assert all(20 < cycles < 1000 for cycles in waits)
    if levels.l2_read and levels.memory_read:
        assert levels.memory_read < levels.l2_read < 10 * levels.memory_read


@each_measurement
def test_a_measurement_names_its_sm_and_only_cards_that_have_it(levels):
    sm = datasheets.multiprocessor(levels.multiprocessor)
    assert set(levels.cards) <= set(sm.cards)
    assert levels.method in CHASES
    assert levels.name.startswith(levels.tool)
    for card in map(datasheets.accelerator, levels.cards):
        assert levels.memory_read is None or levels.memory_read < card.bandwidth


def test_memory_answers_in_about_the_same_time_whatever_the_tool():
    """In time, not in cycles, and where the clock is known: DRAM has one of its own."""
    times = [levels.memory / levels.clock for levels in MEASURED if levels.clock and levels.memory]
    assert len(times) >= 4 and all(350e-9 < seconds < 420e-9 for seconds in times)


def test_an_accelerator_without_a_known_sm_is_said_so():
    with pytest.raises(LessonError, match=r"'mi300x' is not in the table; there are those of .*h100_sxm"):
        datasheets.multiprocessor_of("mi300x")
