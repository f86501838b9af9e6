"""The test of the exercise: run `.venv/bin/python -m pytest exercises/gpu_memory` and read what a red test says."""

import pytest
from warp import cycles, sectors

LANES = 32


def apart(step, first=0):
    """Return addresses ``step`` bytes apart: the pitch of a tile, in bytes, goes down a column of it."""
    return [first + lane * step for lane in range(LANES)]


@pytest.mark.parametrize(("width", "count"), [(4, 4), (8, 8), (16, 16)])
def test_neighbours_fill_the_sectors_that_they_touch(width, count):
    assert sectors(apart(width), width) == count, (
        f"32 lanes of {width} bytes are {LANES * width} bytes in order"
    )


def test_a_start_in_the_middle_of_a_sector_costs_one_more():
    assert sectors(apart(4, first=4), 4) == 5, (
        "bytes 4 to 131: the last float lies in a fifth sector. Count sectors, not bytes over 32"
    )


def test_a_start_at_another_sector_costs_nothing():
    assert sectors(apart(4, first=96), 4) == 4, (
        "bytes 96 to 223 lie in two lines of 128 bytes, but in four sectors: what is moved is a sector"
    )


@pytest.mark.parametrize(("step", "count"), [(8, 8), (12, 12), (32, 32), (4096, 32)])
def test_lanes_that_lie_apart_need_more_sectors_up_to_one_each(step, count):
    assert sectors(apart(step), 4) == count


def test_the_order_of_the_lanes_does_not_matter_and_equal_addresses_count_once():
    assert sectors(apart(4)[::-1], 4) == 4, "the sectors of a warp are a set"
    assert sectors([64] * LANES, 4) == 1, "all lanes want one word: its sector is moved once"


def test_a_lane_that_takes_no_part_touches_nothing():
    far = [None, 4096] + [None] * 30
    assert sectors(far, 4) == 1, "None is no address, and not address 0"
    assert sectors([0] + [None] * 31, 4) == 1, "address 0 is an address"
    assert cycles(far, 4) == 1 and cycles([0] + [None] * 31, 16) == 1, (
        "three phases of four have nothing to do"
    )


@pytest.mark.parametrize(("pitch", "count"), [(32, 32), (33, 1), (34, 2), (36, 4), (48, 16)])
def test_a_column_takes_as_many_cycles_as_words_share_a_bank(pitch, count):
    assert cycles(apart(4 * pitch), 4) == count, f"rows of {pitch} words: see which banks the lanes begin at"


def test_a_word_that_many_want_is_delivered_once():
    assert cycles([128] * LANES, 4) == 1, "one word for all lanes: a broadcast"
    pairs = [4 * (lane // 2) for lane in range(LANES)]
    assert cycles(pairs, 4) == 1, "two lanes that want the same word do not conflict"
    two = [128 * (lane % 2) for lane in range(LANES)]
    assert cycles(two, 4) == 2, "words 0 and 32 lie in one bank: two words, however many lanes"


@pytest.mark.parametrize(("width", "count"), [(4, 1), (8, 2), (16, 4)])
def test_in_order_the_banks_are_busy_in_every_cycle(width, count):
    assert cycles(apart(width), width) == count, (
        f"{LANES * width} bytes at 128 per cycle: this is no conflict"
    )


@pytest.mark.parametrize(("pitch", "count"), [(32, 32), (36, 4), (40, 8), (48, 16)])
def test_a_column_of_16_bytes_per_lane(pitch, count):
    assert cycles(apart(4 * pitch), 16) == count, f"rows of {pitch} words, eight lanes per phase"


def test_only_lanes_of_one_phase_conflict():
    down = [lane % 8 * 128 + lane // 8 * 16 for lane in range(LANES)]
    assert cycles(down, 16) == 32, (
        "the eight lanes of each phase want the same four banks: over the whole warp the words look spread"
    )
    apart_by_phase = [lane % 8 * 16 + lane // 8 * 128 for lane in range(LANES)]
    assert cycles(apart_by_phase, 16) == 4, "lanes 0, 8, 16 and 24 share their banks, but not their phase"


def test_a_broadcast_of_16_bytes_takes_a_cycle_per_phase():
    assert cycles([0] * LANES, 16) == 4, "four phases follow each other, though they deliver the same words"


def test_half_a_warp_of_8_bytes_is_a_phase():
    halves = [lane % 16 * 8 for lane in range(LANES)]
    assert cycles(halves, 8) == 2, "lanes 0 to 15 first, then lanes 16 to 31, though they want the same words"
    rows = [256 * (lane % 2) + lane // 2 * 8 for lane in range(LANES)]
    assert cycles(rows, 8) == 4, "lanes 0 to 15 want banks 0 to 15, two words of each: two cycles per phase"
