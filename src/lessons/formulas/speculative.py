"""Speculative decoding: what a draft is expected to bring, and what it costs.

``acceptance`` is the mean probability that one drafted token is kept, and drafted tokens are taken to be kept
or not independently of one another. Real streams are not so kind: ``expected_tokens_by_position`` takes a
rate for each position.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lessons.formulas.checks import distribution, fraction, not_negative, whole

Curve = Callable[[int], float]


def expected_tokens(acceptance: float, draft_length: int) -> float:
    """Return the tokens one verification yields on average: (1 - a^(g+1)) / (1 - a).

    Args:
        acceptance: a, in [0, 1].
        draft_length: g, drafted tokens a step; 0 means plain decoding and yields 1.

    Raises:
        ValueError: for an acceptance outside [0, 1] or a draft length that is negative or not whole.

    Source: leviathan2023speculative, equation 1.
    """
    fraction(acceptance=acceptance)
    whole(minimum=0, draft_length=draft_length)
    # The same geometric sum without the division, so that a = 1 needs no special case.
    return sum(acceptance**i for i in range(draft_length + 1))


def expected_tokens_by_position(acceptances: Sequence[float]) -> float:
    """Return the tokens one verification yields when acceptance differs by position.

    Args:
        acceptances: for each drafted token, the share of times it is kept, given that all before it were.

    Raises:
        ValueError: for a rate outside [0, 1].

    Source: liu2026specillusion finds that acceptance differs from one position of the output to another.
    """
    total = kept = 1.0
    for acceptance in acceptances:
        fraction(acceptance=acceptance)
        kept *= acceptance
        total += kept
    return total


def flat(k: int) -> float:
    """Return t(k)/t(1) of a machine that verifies any number of tokens for the price of one: 1."""
    return 1.0


def speedup(acceptance: float, draft_length: int, draft_cost: float, curve: Curve = flat) -> float:
    """Return the expected speed-up over plain decoding.

    Args:
        acceptance: a, in [0, 1].
        draft_length: g, drafted tokens a step.
        draft_cost: c, time of one draft step over the time of one target step.
        curve: t(k)/t(1), the time of the target's pass over k tokens over its pass over one. The default, 1 for
            every k, is the published formula.

    Returns:
        Expected tokens over g c + t(g+1)/t(1); below 1 where speculation loses.

    Raises:
        ValueError: as in ``expected_tokens``, or for a negative cost.

    Source: leviathan2023speculative, theorem 3.8; the curve is this book's extension.
    """
    not_negative(draft_cost=draft_cost)
    return expected_tokens(acceptance, draft_length) / (draft_length * draft_cost + curve(draft_length + 1))


def best_draft_length(acceptance: float, draft_cost: float, curve: Curve = flat, longest: int = 16) -> int:
    """Return the draft length from 0 to ``longest`` with the greatest ``speedup``; the shortest of equals.

    Raises:
        ValueError: as in ``speedup``.
    """
    whole(minimum=0, longest=longest)
    return max(range(longest + 1), key=lambda g: speedup(acceptance, g, draft_cost, curve))


def break_even_acceptance(draft_length: int, draft_cost: float, curve: Curve = flat) -> float | None:
    """Return the least acceptance at which speculation does not lose, or None where it always loses.

    Args:
        draft_length: g, 1 or more.
        draft_cost: c, as in ``speedup``.
        curve: t(k)/t(1), as in ``speedup``.

    Raises:
        ValueError: for a draft length below 1 or a negative cost.

    Source: leviathan2023speculative, theorem 3.8, solved for the acceptance by bisection.
    """
    whole(draft_length=draft_length)
    if speedup(1, draft_length, draft_cost, curve) < 1:
        return None
    low, high = 0.0, 1.0
    if speedup(low, draft_length, draft_cost, curve) >= 1:
        return low
    # The speed-up grows with acceptance, so 60 halvings leave an interval far below the printed digits.
    for _ in range(60):
        middle = (low + high) / 2
        if speedup(middle, draft_length, draft_cost, curve) >= 1:
            high = middle
        else:
            low = middle
    return high


def acceptance(target: Sequence[float], draft: Sequence[float]) -> float:
    """Return the probability that a token drawn from ``draft`` is kept: the sum of min(p, q).

    Args:
        target: p, the target's probabilities over the vocabulary.
        draft: q, the draft's.

    Raises:
        ValueError: unless both are distributions of one length.

    Source: leviathan2023speculative, theorem 3.5.
    """
    _same_vocabulary(target, draft)
    return sum(min(p, q) for p, q in zip(target, draft))


def residual(target: Sequence[float], draft: Sequence[float]) -> list[float]:
    """Return the distribution to draw from after a rejection: max(0, p - q), divided by its sum.

    Where p and q are equal nothing is ever rejected, and the target itself is returned.

    Raises:
        ValueError: unless both are distributions of one length.

    Source: leviathan2023speculative, section 2.3; chen2023speculative, section 2.
    """
    _same_vocabulary(target, draft)
    excess = [max(0.0, p - q) for p, q in zip(target, draft)]
    total = sum(excess)
    return [x / total for x in excess] if total > 0 else list(target)


def output_distribution(target: Sequence[float], draft: Sequence[float]) -> list[float]:
    """Return the distribution of the token that draft, test and residual draw emit together: the target.

    Raises:
        ValueError: unless both are distributions of one length.

    Source: leviathan2023speculative, appendix A.1.
    """
    rejected = 1 - acceptance(target, draft)
    rest = residual(target, draft)
    return [min(p, q) + rejected * r for p, q, r in zip(target, draft, rest)]


def _same_vocabulary(target: Sequence[float], draft: Sequence[float]) -> None:
    if len(target) != len(draft):
        raise ValueError(
            f"target has {len(target)} entries and draft {len(draft)}, but both must cover one vocabulary; "
            "use a draft model with the target's tokenizer"
        )
    distribution(target=target, draft=draft)
