"""A solution: a set of sectors, and per phase a set of words that is counted by bank."""

from collections import Counter

LANES, SECTOR, BANKS, WORD = 32, 32, 32, 4


def sectors(addresses, width):
    return len({address // SECTOR for address in addresses if address is not None})


def cycles(addresses, width):
    lanes = min(LANES, BANKS * WORD // width)
    total = 0
    for first in range(0, LANES, lanes):
        starts = [address for address in addresses[first : first + lanes] if address is not None]
        words = {(start + byte) // WORD for start in starts for byte in range(0, width, WORD)}
        total += max(Counter(word % BANKS for word in words).values(), default=0)
    return total
