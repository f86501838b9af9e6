"""What may be asked of generation: one place for the limits, whoever asks, be it Python, a shell or a client."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from lessons.errors import LessonError, shown

MAX_TEMPERATURE = 1e9  # all tokens have long been equally likely there
ONE_TOKEN = 1e-5  # a smaller temperature or top_p leaves one token, and dividing by it would overflow
MAX_SEED = 2**63 - 1
MAX_STOPS = 4  # as in OpenAI's API


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return ``value``, a whole number from ``least`` to ``most``; without ``most`` there is no other end.

    Raises:
        LessonError: when it is another number, or none.
    """
    if not _is(value, Integral) or value < least or (most is not None and value > most):
        limits = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise LessonError(f"{name} is {shown(value)}; it must be a whole number {limits}")
    return int(value)


def number(name: str, value: Any, most: float, *, zero: bool, remark: str) -> float:
    """Return ``value``, a number from 0 to ``most``; 0 itself only where ``zero`` allows it.

    Raises:
        LessonError: when it is another number, NaN, or none; the remark tells what an end of the range means.
    """
    if not _is(value, Real) or not 0 <= value <= most or not (zero or value):
        least = "0" if zero else "above 0"
        raise LessonError(
            f"{name} is {shown(value)}; it must be a number from {least} to {most:g} ({remark})"
        )
    return float(value)


def stop_texts(stop: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the texts that end an answer. One may be given alone, as OpenAI's API takes it.

    Raises:
        LessonError: when one is empty or is no text, or there are more than ``MAX_STOPS``.
    """
    wanted = f"it must be text, or a list of up to {MAX_STOPS}"
    if isinstance(stop, (bytes, bytearray)) or not isinstance(stop, Iterable | None):
        raise LessonError(f"stop is {shown(stop)}; {wanted}")
    texts = (stop,) if isinstance(stop, str) else tuple(stop or ())
    for text in texts:
        if not isinstance(text, str) or not text:
            raise LessonError(f"stop holds {shown(text)}; each text must have at least one character")
    if len(texts) > MAX_STOPS:
        raise LessonError(f"stop holds {len(texts)} texts; {wanted}")
    return texts


def _is(value: Any, kind: type) -> bool:
    """Tell whether a value is a number of a kind; Python counts True among the whole numbers."""
    return isinstance(value, kind) and not isinstance(value, bool)
