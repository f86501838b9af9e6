"""What a million tokens cost."""

from __future__ import annotations

from lessons.formulas.checks import fraction, not_negative, positive


def dollars_per_million_tokens(
    dollars_per_hour: float, tokens_per_second: float, utilization: float = 1
) -> float:
    """Return US dollars per million tokens.

    Args:
        dollars_per_hour: of all the devices together.
        tokens_per_second: of all the devices together, while busy.
        utilization: the share of the paid time that is busy, above 0 and at most 1.

    Raises:
        ValueError: for a negative price, a rate that is not positive, or a utilisation outside (0, 1].
    """
    not_negative(dollars_per_hour=dollars_per_hour)
    positive(tokens_per_second=tokens_per_second, utilization=utilization)
    fraction(utilization=utilization)
    return dollars_per_hour / 3600 / (tokens_per_second * utilization) * 1e6


def tokens_per_second_needed(
    dollars_per_hour: float, dollars_per_million: float, utilization: float = 1
) -> float:
    """Return the tokens/s that must be sustained while busy to meet a price per million tokens.

    Units and errors as in ``dollars_per_million_tokens``.
    """
    positive(dollars_per_million=dollars_per_million)
    return dollars_per_million_tokens(dollars_per_hour, 1, utilization) / dollars_per_million
