"""Bytes, rates, FLOP and money: the one place that knows GB from GiB.

Sizes in the book are SI unless their name says otherwise: 1 GB is 10^9 bytes, 1 GiB is 2^30 bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

kB, MB, GB, TB, PB = 1e3, 1e6, 1e9, 1e12, 1e15
KiB, MiB, GiB, TiB = 2**10, 2**20, 2**30, 2**40
ns, us, ms = 1e-9, 1e-6, 1e-3

_LARGE = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_PREFIXED_LARGE = {"B", "B/s", "FLOP", "FLOP/s", "OP", "OP/s", "bit/s"}


def format_value(value: float, unit: str, digits: int = 3) -> str:
    """Format a number with the prefix that suits it: ``format_value(3.35e12, "B/s")`` is ``3.35 TB/s``.

    Args:
        value: the number in the base unit.
        unit: "B", "B/s", "FLOP/s", "OP/s", "s", "tokens/s", "1" (a plain ratio), "%" (a fraction, as per cent), ...
        digits: significant digits.
    """
    if math.isnan(value) or math.isinf(value):
        return f"{value} {unit}".rstrip(" 1")
    if unit == "%":
        return f"{_significant(100 * value, digits)} %"
    if unit == "1":
        return _significant(value, digits)
    steps: tuple[tuple[float, str], ...] = ((1.0, ""),)
    if unit == "s":
        steps = _SMALL
    elif unit in _PREFIXED_LARGE:
        steps = _LARGE
    scale, prefix = next((s for s in steps if abs(value) >= 0.9995 * s[0]), steps[-1])
    return f"{_significant(value / scale, digits)} {prefix}{unit}"


def _significant(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    # Rounded first: 0.9996 has its first digit before the point once it is written with three.
    value = float(f"{value:.{digits - 1}e}")
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def percent(share: float, digits: int = 2) -> str:
    """Return a share of 1 in per cent, such as "12 %"."""
    return format_value(share, "%", digits)


def format_bytes(value: float, digits: int = 3) -> str:
    """Format bytes in SI units: ``format_bytes(131072)`` is ``131 kB``."""
    return format_value(value, "B", digits)


def format_binary(value: float) -> str:
    """Format bytes in binary units, for caches and pages: ``format_binary(32768)`` is ``32 KiB``."""
    for scale, name in ((TiB, "TiB"), (GiB, "GiB"), (MiB, "MiB"), (KiB, "KiB")):
        if value >= scale:
            return f"{value / scale:g} {name}" if value % (scale / 16) == 0 else f"{value / scale:.3g} {name}"
    return f"{value:g} B"


@dataclass(frozen=True)
class Quantity:
    """One number with its unit and, where it was measured, its interval.

    Attributes:
        value: the number (a median, where it was measured).
        unit: its base unit: "B", "B/s", "s", "FLOP/s", "OP/s", "tokens/s", "tokens", "1" or "%" (a fraction).
        low, high: the interval of the value; equal to it for an exact number.
        n: how many samples stand behind it; 0 for a computed number.
        source: the passport's row that it is, such as "cpu.flops.float32.1"; nothing for any other number. What is
            calculated from it has none, and two quantities are equal whatever their sources.
    """

    value: float
    unit: str
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    source: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            if math.isnan(getattr(self, name)):
                object.__setattr__(self, name, self.value)

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "undefined"
        text = format_value(self.value, self.unit)
        if self.low == self.high:
            return text
        if (self.low, self.high) == (-math.inf, math.inf):
            return f"{text} (unbounded)"
        low, high = format_value(self.low, self.unit), format_value(self.high, self.unit)
        units = {part.partition(" ")[2] for part in (text, low, high)}
        if len(units) == 1:  # said once, the unit need not be said again
            low, high = low.partition(" ")[0], high.partition(" ")[0]
        return f"{text} ({low} to {high})"

    def ratio(self, other: Quantity) -> Quantity:
        """Return ``self / other`` with the widest interval that the two intervals allow.

        Where ``other`` may be zero (its interval touches or crosses it) the ratio may be anything: its interval is
        unbounded, and where ``other.value`` is zero itself the value is NaN.

        Raises:
            ValueError: when the units differ.
        """
        if self.unit != other.unit:
            raise ValueError(f"a ratio needs one unit, but these are {self.unit!r} and {other.unit!r}")
        value = self.value / other.value if other.value else math.nan
        low, high = -math.inf, math.inf
        if other.low > 0 or other.high < 0:
            ends = [a / b for a in (self.low, self.high) for b in (other.low, other.high)]
            low, high = min(ends), max(ends)
        return Quantity(value, "1", low, high, min(self.n, other.n))

    def scaled(self, factor: float, unit: str | None = None) -> Quantity:
        """Return this quantity times a positive ``factor``, in ``unit`` where that changes."""
        return Quantity(self.value * factor, unit or self.unit, self.low * factor, self.high * factor, self.n)

    def inverse(self, amount: float, unit: str) -> Quantity:
        """Return ``amount / self``: a rate into a time (bytes / (B/s)) or a time into a rate; zero as in ``ratio``."""
        ratio = Quantity(amount, self.unit).ratio(self)
        return Quantity(ratio.value, unit, ratio.low, ratio.high, self.n)

    def of(self, source: str) -> Quantity:
        """Return this quantity as the passport's row ``source``."""
        return replace(self, source=source)

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "unit": self.unit, "low": self.low, "high": self.high, "n": self.n}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Quantity:
        return Quantity(data["value"], data["unit"], data["low"], data["high"], data["n"])
