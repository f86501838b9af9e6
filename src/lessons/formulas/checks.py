"""Argument checks that say which value was wrong, what the limit is, and what to give instead."""

from __future__ import annotations

import math
from collections.abc import Sequence


def positive(**values: float) -> None:
    """Raise ValueError unless every named value is a finite number above 0."""
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(
                f"{name} is {value!r}, but must be greater than 0; give a positive, finite number"
            )


def not_negative(**values: float) -> None:
    """Raise ValueError unless every named value is a finite number of 0 or more."""
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value!r}, but must be 0 or more; give 0 where there is none")


def whole(minimum: int = 1, **values: int) -> None:
    """Raise ValueError unless every named value is a whole number of at least ``minimum``."""
    for name, value in values.items():
        if value != int(value) or value < minimum:
            raise ValueError(
                f"{name} is {value!r}, but must be a whole number of {minimum} or more; round it"
            )


def fraction(**values: float) -> None:
    """Raise ValueError unless every named value lies in [0, 1]."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value!r}, but must lie between 0 and 1; give 20 % as 0.2")


def distribution(**values: Sequence[float]) -> None:
    """Raise ValueError unless every named sequence holds probabilities that add up to 1 (within 1e-9)."""
    for name, value in values.items():
        if any(not 0 <= x <= 1 for x in value) or abs(math.fsum(value) - 1) > 1e-9:
            raise ValueError(
                f"{name} adds up to {math.fsum(value):.6g} with least entry {min(value, default=0):.3g}, "
                "but must hold probabilities with sum 1; divide it by its sum"
            )


def choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise ValueError unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}, but must be one of {', '.join(map(repr, allowed))}")
