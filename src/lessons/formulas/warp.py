"""What one load or store of a warp costs: sectors of global memory, and cycles of the banks of shared memory.

An access is the byte address of each of the 32 lanes, in their order, and the bytes that each lane moves: 1, 2, 4, 8
or 16. A lane that takes no part has None.

Source:
    Global memory: NVIDIA, CUDA C++ Best Practices Guide, "Coalesced Access to Global Memory". The accesses of a warp
    become as many 32-byte transactions as are needed; a line of 128 bytes has four.
    Shared memory: NVIDIA, CUDA C++ Programming Guide, "Shared Memory" of compute capability 5.x and later. 32 banks of
    4 bytes; two lanes conflict when they touch different words of a bank, and equal words are broadcast.
    Wider accesses, which the guide leaves out: 128 bits run as four phases of eight lanes, and only lanes of one phase
    conflict (NVIDIA, GTC 2019, S9593, quoted in Dao-AILab/flash-attention#738; NVIDIA/cutlass#328 has two phases for
    64 bits). A card may do better than these phases: where the lanes of every pair (n, n xor 1), or of every pair
    (n, n xor 2), have one address, an answer on NVIDIA's forum ("Unexpected shared memory bank conflict", for
    compute capability 7.0 to 7.5) says two requests in place of four. That is left out here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lessons.formulas.checks import not_negative, positive, whole

LANES = 32
SECTOR, LINE = 32, 128  # bytes
BANKS, WORD = 32, 4  # number, bytes
WIDTHS = (1, 2, 4, 8, 16)

Addresses = Sequence[int | None]


def sectors(addresses: Addresses, width: int) -> int:
    """Return how many different 32-byte sectors an access to global memory touches.

    Args:
        addresses: a byte address for each lane, at most 32.
        width: bytes per lane.

    Raises:
        ValueError: for more than 32 lanes, another width, or an address that is no multiple of the width.
    """
    return len({a // SECTOR for a in _checked(addresses, width)})


def lines(addresses: Addresses, width: int) -> int:
    """Return how many different 128-byte lines an access to global memory touches. Arguments as for ``sectors``."""
    return len({a // LINE for a in _checked(addresses, width)})


def efficiency(addresses: Addresses, width: int) -> float:
    """Return the share of the moved bytes that some lane asked for; a byte that many ask for counts once.

    Arguments as for ``sectors``; at least one lane must take part.
    """
    return len(set(_checked(addresses, width))) * width / (sectors(addresses, width) * SECTOR)


def stride_sectors(step: int, width: int, offset: int = 0) -> int:
    """Return the sectors that 32 lanes touch whose addresses are ``step`` bytes apart: the closed form.

    Up to 32 bytes apart the lanes leave no sector out, so it is the sectors of the whole span. Farther apart each lane
    has one of its own.

    Args:
        step: bytes from one lane to the next, a multiple of ``width``, or 0.
        width: bytes per lane.
        offset: the first lane's byte address, a multiple of ``width``.

    Raises:
        ValueError: for another width, or a step or an offset that is no multiple of it.
    """
    not_negative(step=step, offset=offset)
    _checked([step, offset], width)
    span = offset % SECTOR + (LANES - 1) * step + width
    return min(LANES, math.ceil(span / SECTOR))


def phase_lanes(width: int) -> int:
    """Return how many lanes an access to shared memory serves together: as many as ask for 128 bytes, 32 at most.

    Raises:
        ValueError: for a width that is none of 1, 2, 4, 8 and 16 bytes.
    """
    _checked([], width)
    return min(LANES, BANKS * WORD // width)


def bank_phases(addresses: Addresses, width: int) -> tuple[int, ...]:
    """Return the cycles of each phase of an access to shared memory: the most different words that one bank has.

    A phase in which no lane takes part has 0. Arguments as for ``sectors``, with addresses in shared memory.
    """
    _checked(addresses, width)
    lanes, found = phase_lanes(width), []
    for first in range(0, len(addresses), lanes):
        starts = [a for a in addresses[first : first + lanes] if a is not None]
        words = {(a + byte) // WORD for a in starts for byte in range(0, width, WORD)}
        counts = [0] * BANKS
        for word in words:
            counts[word % BANKS] += 1
        found.append(max(counts))
    return tuple(found)


def bank_cycles(addresses: Addresses, width: int) -> int:
    """Return the cycles of an access to shared memory: the sum over its phases."""
    return sum(bank_phases(addresses, width))


def column_cycles(pitch: int, words: int = 1) -> int:
    """Return the cycles in which 32 lanes read ``words`` words each, one lane a row: the greatest common divisor.

    The lanes of a phase start at 32 / gcd(pitch, 32) different banks, each of which serves ``words`` neighbours as
    well. So cycles = gcd(pitch, 32), and the least there is, ``words``, wants a pitch of ``words`` times an odd number.

    Args:
        pitch: words from one row to the next, a multiple of ``words``: else the lanes' addresses are misaligned, and
            a device stops with an error.
        words: 1, 2 or 4 words of 4 bytes per lane.

    Raises:
        ValueError: for other words, or a pitch that is no multiple of them.
    """
    whole(pitch=pitch, words=words)
    _checked([pitch * WORD], words * WORD)
    return math.gcd(pitch, BANKS)


def stride(step: int, first: int = 0) -> list[int]:
    """Return addresses ``step`` bytes apart: 0 is a broadcast, the pitch of a tile in bytes is its column."""
    return [first + lane * step for lane in range(LANES)]


def tile(pitch: int, rows: int, width: int = WORD) -> list[int]:
    """Return the addresses of lanes that go down columns of ``rows`` rows, ``width`` bytes each, one after another.

    Args:
        pitch: bytes from one row to the next.
        rows: rows of the tile; a divisor of 32.
        width: bytes per lane.
    """
    positive(rows=rows)
    return [lane % rows * pitch + lane // rows * width for lane in range(LANES)]


def swizzled_column(column: int = 0, words: int = 1) -> list[int]:
    """Return the addresses of a column of a tile of 32 words per row whose pieces are permuted by XOR.

    Row r keeps its piece c, of ``words`` words, at place c xor (r mod number of pieces). No row is longer for it.

    Args:
        column: the piece that each lane reads in its row.
        words: of a piece: 1, 2 or 4.
    """
    pieces = BANKS // words
    return [WORD * (lane * BANKS + words * (column ^ lane % pieces)) for lane in range(LANES)]


def _checked(addresses: Addresses, width: int) -> list[int]:
    """Return the addresses of the lanes that take part."""
    if width not in WIDTHS:
        raise ValueError(f"a lane moves {width} bytes, but must move one of {', '.join(map(str, WIDTHS))}")
    if len(addresses) > LANES:
        raise ValueError(f"{len(addresses)} lanes are given, but a warp has {LANES}; split the access")
    active = [a for a in addresses if a is not None]
    for address in active:
        if address % width:
            raise ValueError(
                f"address {address} is misaligned for {width} bytes per lane; "
                f"make it a multiple of {width}, or move fewer bytes per lane"
            )
    return active
