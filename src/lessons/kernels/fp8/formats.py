"""The layouts of the 8-bit floats.

======= ==== ======== ======== ===== ========= ======== ===========================================
format  sign exponent mantissa bias  largest   infinity NaN
======= ==== ======== ======== ===== ========= ======== ===========================================
E4M3    1    4        3        7     448       no       all exponent and mantissa bits set
E5M2    1    5        2        15    57,344    yes      all exponent bits set, mantissa not zero
======= ==== ======== ======== ===== ========= ======== ===========================================

Source: micikevicius2022fp8, table 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Float8:
    """An 8-bit float.

    Attributes:
        name: as the paper calls it.
        mantissa: bits after the point; the other seven less these are the exponent's.
        bias: what is taken from the stored exponent.
        infinity: whether the topmost exponent is kept for infinity and NaN, as in IEEE 754.
    """

    name: str
    mantissa: int
    bias: int
    infinity: bool

    @property
    def largest_code(self) -> int:
        """The positive code of the largest finite number."""
        return 0x7F - (1 << self.mantissa) if self.infinity else 0x7E

    @property
    def overflow_code(self) -> int:
        """The positive code of what is too large: infinity, or NaN where there is none."""
        return self.largest_code + 1

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return self.value(self.largest_code)

    def value(self, code: int) -> float:
        """Return what a code, 0 to 255, stands for."""
        sign = -1.0 if code & 0x80 else 1.0
        magnitude = code & 0x7F
        if magnitude > self.largest_code:
            is_infinite = self.infinity and magnitude == self.overflow_code
            return sign * math.inf if is_infinite else math.nan
        exponent = magnitude >> self.mantissa
        fraction = magnitude & ((1 << self.mantissa) - 1)
        if exponent:
            fraction |= 1 << self.mantissa  # the leading one that is not stored
        power = max(exponent, 1) - self.bias - self.mantissa
        return sign * math.ldexp(fraction, power)

    def levels(self) -> tuple[float, ...]:
        """Return every finite number once, rising."""
        positive = [self.value(code) for code in range(1, self.largest_code + 1)]
        return (*(-x for x in reversed(positive)), 0.0, *positive)


E4M3 = Float8("E4M3", mantissa=3, bias=7, infinity=False)
E5M2 = Float8("E5M2", mantissa=2, bias=15, infinity=True)


def find(name: str) -> Float8:
    """Return the format called ``name``.

    Raises:
        ValueError: when there is none.
    """
    for format in (E4M3, E5M2):
        if format.name == name:
            return format
    raise ValueError(f"no 8-bit float {name!r}; use E4M3 or E5M2")
