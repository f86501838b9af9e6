"""Build it: what one load of a warp costs, in sectors of global memory and in cycles of shared memory."""

from __future__ import annotations

from collections.abc import Sequence


def sectors(addresses: Sequence[int | None], width: int) -> int:
    """Return how many different sectors of 32 bytes a load from global memory touches.

    Sectors begin at multiples of 32. A sector is moved whole, and once, however many lanes want a part of it.

    Args:
        addresses: of each of the 32 lanes, the byte at which its load begins, a multiple of ``width``; None for a lane
            that takes no part.
        width: bytes per lane: 4, 8 or 16.
    """
    raise NotImplementedError("write sectors(): exercises/gpu_memory/warp.py")


def cycles(addresses: Sequence[int | None], width: int) -> int:
    """Return the cycles that a load from shared memory takes.

    Shared memory has 32 banks, and consecutive words of 4 bytes lie in consecutive banks: word w in bank w mod 32. A
    bank delivers one word per cycle, to all lanes that want it.

    The lanes are served in phases, in their order: all 32 at once with 4 bytes per lane, 16 and 16 with 8 bytes, four
    times 8 with 16 bytes. The phases follow each other. A phase takes as many cycles as the bank with the most
    different words to deliver, and none where no lane takes part.

    Args:
        addresses: as above, in shared memory.
        width: bytes per lane: 4, 8 or 16.
    """
    raise NotImplementedError("write cycles(): exercises/gpu_memory/warp.py")
