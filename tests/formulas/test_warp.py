"""Sectors and banks against a walk over bytes, and against counts that were made by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.formulas import warp

widths = st.sampled_from(warp.WIDTHS)


@st.composite
def accesses(draw):
    """Addresses of up to 32 lanes, some idle, in so small a memory that they meet; and the bytes per lane."""
    width = draw(widths)
    place = st.none() | st.integers(0, 2048 // width).map(lambda i: i * width)
    return draw(st.lists(place, min_size=1, max_size=32).filter(lambda a: set(a) != {None})), width


def walked_sectors(addresses, width, size=32):
    """Mark every byte, and count the pieces of memory with a mark."""
    memory = bytearray(4096)
    for address in addresses:
        for byte in range(width if address is not None else 0):
            memory[address + byte] = 1
    return sum(any(memory[i : i + size]) for i in range(0, len(memory), size))


def served_cycles(addresses, width, lanes=None):
    """Serve words cycle by cycle: in one cycle each bank gives one word, to all lanes of the phase that want it."""
    lanes = lanes or {1: 32, 2: 32, 4: 32, 8: 16, 16: 8}[width]
    cycles = 0
    for first in range(0, len(addresses), lanes):
        wanted = [
            (a + byte) // 4
            for a in addresses[first : first + lanes]
            if a is not None
            for byte in range(width)
        ]
        while wanted:
            given_now = {word % 32: word for word in wanted}
            wanted = [word for word in wanted if given_now[word % 32] != word]
            cycles += 1
    return cycles


@given(accesses())
def test_sectors_and_lines_are_those_of_a_walk_over_the_bytes(access):
    assert warp.sectors(*access) == walked_sectors(*access)
    assert warp.lines(*access) == walked_sectors(*access, size=128)
    assert warp.lines(*access) <= warp.sectors(*access) <= 4 * warp.lines(*access)
    assert 0 < warp.efficiency(*access) <= 1


@given(accesses())
def test_cycles_are_those_of_banks_that_serve_a_word_each(access):
    assert warp.bank_cycles(*access) == served_cycles(*access)


@given(accesses(), st.randoms())
def test_lanes_of_one_phase_may_change_places(access, random):
    addresses, width = access
    lanes = warp.phase_lanes(width)
    phases = [addresses[i : i + lanes] for i in range(0, len(addresses), lanes)]
    for phase in phases:
        random.shuffle(phase)
    assert warp.bank_cycles([a for phase in phases for a in phase], width) == warp.bank_cycles(
        addresses, width
    )


@given(widths, st.integers(0, 40), st.integers(0, 40))
def test_the_closed_form_of_a_stride_is_the_count(width, steps, offsets):
    step, offset = steps * width, offsets * width
    assert warp.stride_sectors(step, width, offset) == warp.sectors(warp.stride(step, offset), width)


@given(st.sampled_from([1, 2, 4]), st.integers(1, 100))
def test_the_closed_form_of_a_column_is_the_count(words, times):
    pitch = words * times
    assert warp.column_cycles(pitch, words) == warp.bank_cycles(warp.stride(4 * pitch), 4 * words)
    assert (warp.column_cycles(pitch, words) == words) == (math.gcd(times, 32 // words) == 1)


@pytest.mark.parametrize(
    ("addresses", "width", "sectors", "lines"),
    [
        (warp.stride(4), 4, 4, 1),
        (warp.stride(4, 4), 4, 5, 2),  # shifted by one word
        (warp.stride(4, 32), 4, 4, 2),  # shifted by one sector
        (warp.stride(8), 4, 8, 2),
        (warp.stride(32), 4, 32, 8),
        (warp.stride(128), 4, 32, 32),
        (warp.stride(0), 4, 1, 1),
        (warp.stride(1), 1, 1, 1),
        (warp.stride(8), 8, 8, 2),
        (warp.stride(16), 16, 16, 4),
        (warp.stride(4096), 16, 32, 32),
        ([None] * 31 + [4], 4, 1, 1),
    ],
)
def test_sectors_by_hand(addresses, width, sectors, lines):
    assert (warp.sectors(addresses, width), warp.lines(addresses, width)) == (sectors, lines)


@pytest.mark.parametrize(
    ("addresses", "width", "phases"),
    [
        (warp.stride(4), 4, (1,)),
        (warp.stride(8), 4, (2,)),
        (warp.stride(4 * 32), 4, (32,)),
        (warp.stride(4 * 33), 4, (1,)),
        (warp.swizzled_column(5), 4, (1,)),
        (warp.stride(0), 4, (1,)),
        (warp.stride(1), 1, (1,)),  # four lanes share a word
        (warp.stride(8), 8, (1, 1)),
        (warp.stride(4 * 32), 8, (16, 16)),
        (warp.stride(4 * 34), 8, (1, 1)),
        (warp.stride(16), 16, (1, 1, 1, 1)),
        (warp.stride(4 * 32), 16, (8, 8, 8, 8)),
        (warp.stride(4 * 36), 16, (1, 1, 1, 1)),
        (warp.stride(4 * 40), 16, (2, 2, 2, 2)),
        (warp.swizzled_column(5, words=4), 16, (1, 1, 1, 1)),
        (warp.tile(4 * 32, 8, 16), 16, (8, 8, 8, 8)),
        (warp.tile(4 * 36, 8, 16), 16, (1, 1, 1, 1)),
        ([None] * 8 + [0] * 8, 16, (0, 1)),
    ],
)
def test_phases_by_hand(addresses, width, phases):
    assert warp.bank_phases(addresses, width) == phases


def test_a_fossil_count_is_another_count():
    """Phases of 32 lanes for 128 bits, and lines for sectors, are the mistakes that this module is written against."""
    quarter_warps_down_columns = warp.tile(4 * 32, 8, 16)
    assert served_cycles(quarter_warps_down_columns, 16, lanes=32) == 8
    assert warp.bank_cycles(quarter_warps_down_columns, 16) == 32
    assert warp.lines(warp.stride(8), 4) != warp.sectors(warp.stride(8), 4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: warp.sectors([0], 3), "moves 3 bytes"),
        (lambda: warp.sectors([0] * 33, 4), "33 lanes"),
        (lambda: warp.sectors([2], 4), "address 2 is misaligned"),
        (lambda: warp.bank_cycles(warp.stride(4 * 33), 16), "address 132 is misaligned"),
        (lambda: warp.column_cycles(33, 4), "misaligned"),
        (lambda: warp.column_cycles(0), "pitch"),
        (lambda: warp.column_cycles(9, 3), "moves 12 bytes"),
        (lambda: warp.stride_sectors(2, 4), "misaligned"),
        (lambda: warp.stride_sectors(-4, 4), "step"),
        (lambda: warp.phase_lanes(32), "moves 32 bytes"),
        (lambda: warp.tile(128, 0), "rows"),
    ],
)
def test_what_no_warp_can_do_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
