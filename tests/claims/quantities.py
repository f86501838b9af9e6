"""Finding numbers with units in a sentence, and turning them into SI base units."""

from __future__ import annotations

import re
from typing import NamedTuple

PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


def _units() -> dict[str, tuple[str, float]]:
    """Return every spelling of a unit with its dimension and its size in the base unit."""
    units: dict[str, tuple[str, float]] = {}
    for name, base in (
        ("B", "B"),
        ("b", "bit"),
        ("bit", "bit"),
        ("FLOP", "FLOP"),
        ("FLOPs", "FLOP"),
        ("T", "T"),
    ):
        for prefix, size in PREFIXES.items():
            if name in ("b", "T") and not prefix:
                continue  # "b" and "T" alone are letters, not units
            units[prefix + name] = (base, size)
            units[f"{prefix}{name}/s"] = (f"{base}/s", size)
    for prefix, size in BINARY.items():
        units[f"{prefix}B"] = ("B", size)
        units[f"{prefix}B/s"] = ("B/s", size)
    units["KB"] = ("B", 1e3)
    for prefix in ("M", "G", "T", "P"):
        units[f"{prefix}FLOPS"] = ("FLOP/s", PREFIXES[prefix])
        units[f"{prefix}OPS"] = ("FLOP/s", PREFIXES[prefix])
    for prefix in ("", "k", "M", "G"):
        units[f"{prefix}Hz"] = ("Hz", PREFIXES[prefix])
        units[f"{prefix}W"] = ("W", PREFIXES[prefix])
    for spellings, base, size in (
        ("byte bytes", "B", 1),
        ("bits", "bit", 1),
        ("B/token bytes/token", "B/token", 1),
        ("FLOP/byte FLOP/B", "FLOP/byte", 1),
        ("FLOP/token", "FLOP/token", 1),
        ("s second seconds", "s", 1),
        ("ms millisecond milliseconds", "s", 1e-3),
        ("µs μs us microsecond microseconds", "s", 1e-6),
        ("ns nanosecond nanoseconds", "s", 1e-9),
        ("min minute minutes", "s", 60),
        ("h hour hours", "s", 3600),
        ("day days", "s", 86400),
        ("% percent", "1", 0.01),
        ("x × times", "1", 1),
        ("token tokens", "tokens", 1),
        ("tokens/s token/s", "tokens/s", 1),
        ("requests/s", "requests/s", 1),
        ("cycle cycles", "cycles", 1),
        ("core cores", "cores", 1),
        ("pJ/bit", "J/bit", 1e-12),
        ("parameter parameters weight weights", "parameters", 1),
        ("dollar dollars USD", "$", 1),
    ):
        for spelling in spellings.split():
            units[spelling] = (base, size)
    for spelled, unit in (
        ("per second", "/s"),
        ("a second", "/s"),
        ("per token", "/token"),
        ("per byte", "/byte"),
    ):
        for stem in ("bytes", "tokens", "FLOP"):
            if stem + unit in units:
                units[f"{stem} {spelled}"] = units[stem + unit]
    units["per cent"] = units["%"]
    return units


UNITS = _units()
MULTIPLIERS = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}

_NUMBER = r"(?:(?:10|2)\^-?\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
_LONG_UNITS = "|".join(re.escape(u) for u in sorted(UNITS, key=len, reverse=True) if len(u) > 1)
_SHORT_UNITS = "|".join(re.escape(u) for u in sorted(UNITS) if len(u) == 1 and u not in "%x×")
# A one-letter unit needs a space before it: "7B" and "1990s" are names.
_UNIT = rf"(?:[ -]?(?P<long>{_LONG_UNITS})|[ -](?P<short>{_SHORT_UNITS})|(?P<mark>\ ?%|x|×))"
_PATTERN = re.compile(
    rf"(?<![\w.,$])(?P<low>{_NUMBER})(?:(?:\ ?[-–]\ ?|\ to\ )(?P<high>{_NUMBER}))?"
    rf"(?:[ -](?P<times>{'|'.join(MULTIPLIERS)}))?{_UNIT}(?![\w/])"
)
_MONEY = re.compile(rf"\$\ ?(?P<low>{_NUMBER})(?:\ (?P<times>{'|'.join(MULTIPLIERS)}))?")


class Found(NamedTuple):
    """One number, or one range, with its unit.

    Attributes:
        text: its spelling with one space before the unit ("3.35 TB/s", "20.4-38.2 %", "$ 2.50").
        values: its one or two values in the base unit.
        tolerances: half of the last printed digit of each value, in the base unit.
        dimension: its base unit.
        start: where it begins in the sentence.
    """

    text: str
    values: tuple[float, ...]
    tolerances: tuple[float, ...]
    dimension: str
    start: int


def find(sentence: str) -> list[Found]:
    """Return every number with a unit in ``sentence``, in order."""
    sentence = sentence.replace("\u00a0", " ").replace("\u202f", " ").replace("‑", "-")
    found = []
    for match in _PATTERN.finditer(sentence):
        unit = match["long"] or match["short"] or match["mark"].strip()
        found.append(_found(match, unit, "{number} {unit}"))
    for match in _MONEY.finditer(sentence):
        found.append(_found(match, "dollars", "$ {number}"))
    return sorted(found, key=lambda f: f.start)


def _found(match: re.Match[str], unit: str, spelling: str) -> Found:
    dimension, size = UNITS[unit]
    groups = match.groupdict()
    size *= MULTIPLIERS.get(groups["times"] or "", 1)
    printed = [n for n in (groups["low"], groups.get("high")) if n]
    number = "-".join(printed) + (f" {groups['times']}" if groups["times"] else "")
    return Found(
        spelling.format(number=number, unit=unit),
        tuple(_value(n) * size for n in printed),
        tuple(0.5 * _last_digit(n) * size for n in printed),
        dimension,
        match.start(),
    )


def _value(number: str) -> float:
    base, power, exponent = number.partition("^")
    return float(base) ** int(exponent) if power else float(number.replace(",", ""))


def _last_digit(number: str) -> float:
    return 0.0 if "^" in number else 10.0 ** -len(number.partition(".")[2])
