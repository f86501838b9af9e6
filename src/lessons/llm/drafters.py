"""Drafters: where the guesses of speculative decoding come from, with no training.

``PromptLookup`` copies what followed the last time the text went this way. ``ModelDrafter`` asks a cheaper copy of
the model. ``Allowance`` wraps either and stops it from losing more time than a small share.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from lessons.llm.sampling import Chance, SamplingParams, likeliest, probabilities

if TYPE_CHECKING:
    from lessons.llm.load import LLM


@dataclass(frozen=True)
class Draft:
    """Tokens that may come next, and how they were drawn.

    Attributes:
        tokens: the guesses, in order; none is allowed.
        probs: float [len(tokens), vocab], the distributions q from which they were drawn; None where the
            drafter did not draw: then all of the probability lies on each guess.
    """

    tokens: tuple[int, ...] = ()
    probs: torch.Tensor | None = None


class Drafter(ABC):
    """Proposes tokens.

    Attributes:
        cost: seconds of one drafted token over seconds of one step of the target model; "c" in the formulas.
    """

    cost: float = 0.0

    @abstractmethod
    def propose(self, tokens: Sequence[int], longest: int, params: SamplingParams, chance: Chance) -> Draft:
        """Return at most ``longest`` guesses of what follows ``tokens``.

        Args:
            tokens: the prompt and everything written since. Guesses that the target refused are not in it.
            longest: the most guesses that the caller can verify.
            params: how the target samples; a drafter that draws does it the same way.
            chance: the source of its draws.
        """

    def observe(self, drafted: int, accepted: int) -> None:  # noqa: B027 (most drafters learn nothing)
        """Hear how many of the last guesses were kept."""


class PromptLookup(Drafter):
    """Finds where the last few tokens stood before, and proposes what followed them there.

    Args:
        max_ngram: tokens that should match; fewer are tried when none do.
        min_ngram: the least that must match. One token alone matches too much by chance.

    Raises:
        ValueError: unless 1 <= min_ngram <= max_ngram.

    Source:
        Saxena 2023, github.com/apoorvumang/prompt-lookup-decoding (saxena2023promptlookup).
    """

    def __init__(self, max_ngram: int = 3, min_ngram: int = 2) -> None:
        if not 1 <= min_ngram <= max_ngram:
            raise ValueError(f"n-grams from {min_ngram} to {max_ngram}: need 1 <= min_ngram <= max_ngram")
        self.max_ngram, self.min_ngram = max_ngram, min_ngram

    def propose(self, tokens: Sequence[int], longest: int, params: SamplingParams, chance: Chance) -> Draft:
        for n in range(self.max_ngram, self.min_ngram - 1, -1):
            start = last_match(tokens, n)
            if start is not None:
                return Draft(tuple(tokens[start : start + longest]))
        return Draft()


def last_match(tokens: Sequence[int], n: int) -> int | None:
    """Return where the last ``n`` tokens end in their latest earlier occurrence, or None.

    The latest one, because a text repeats what it has just said more than what it said long ago.
    """
    pattern = list(tokens[-n:])
    for end in range(len(tokens) - 1, n - 1, -1):
        # Comparing one token first spares most of the slices.
        if tokens[end - 1] == pattern[-1] and list(tokens[end - n : end]) == pattern:
            return end
    return None


class ModelDrafter(Drafter):
    """A cheaper model over the same vocabulary writes ahead, one token at a time.

    Args:
        llm: the draft model; ``lessons.llm.load.load("bfloat16", through="Q8_0")`` is a copy of the book's model
            with coarser weights that fills half the bytes.
        cost: time of its step over the target's step; the ratio of the weights' bytes is the roofline's answer.
        capacity: the longest sequence in tokens; the model's context where None.

    Source:
        Leviathan et al. 2023 (leviathan2023speculative). A model that drafts for itself: QuantSpec, LayerSkip
        (elhoushi2024layerskip).
    """

    def __init__(self, llm: LLM, cost: float = 0.5, capacity: int | None = None) -> None:
        self.llm, self.cost = llm, cost
        self._cache = llm.new_cache(capacity)
        self._held: list[int] = []  # the tokens in the cache, refused guesses among them

    def propose(self, tokens: Sequence[int], longest: int, params: SamplingParams, chance: Chance) -> Draft:
        if longest < 1:
            return Draft()
        # Roll back to the last token both agree on. One token must be left to run: its logits are the first guess.
        keep = min(common_prefix(self._held, tokens), len(tokens) - 1)
        self._cache.truncate(keep)
        self._held = list(tokens)
        step, guesses, rows = list(tokens[keep:]), list[int](), list[torch.Tensor]()
        while len(guesses) < longest:
            logits = self.llm.model.forward(torch.tensor(step), self._cache, last_only=True)
            if params.greedy:
                (guess,) = likeliest(logits)
            else:
                rows.append(probabilities(logits[0], params))
                guess = chance.draw(rows[-1])
            guesses.append(guess)
            step = [guess]
        self._held += guesses[:-1]  # the last guess never went through the model
        return Draft(tuple(guesses), torch.stack(rows) if rows else None)


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many tokens ``a`` and ``b`` share from the start."""
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return i
    return min(len(a), len(b))


def gentle_curve(k: int) -> float:
    """Return t(k)/t(1) as 5 % more for each further token: what ``kernels.gemv`` stays under up to 8 rows."""
    return 1 + 0.05 * (k - 1)


class Allowance(Drafter):
    """Lets a drafter go on only while it has not lost more than its allowance.

    It keeps an account in units of one plain decoding step. A step that drafts g tokens and has n accepted gains n and
    pays g c + t(g+1)/t(1) - 1. A draft is shortened until the account could bear its total loss, so the
    whole answer takes at most ``start`` steps and ``share`` of its length longer than plain decoding, as far
    as the curve tells the truth. Text with nothing to copy is left alone, except for a cheap trial now and then.

    Args:
        drafter: whose guesses.
        curve: t(k)/t(1) of the target on this machine.
        share: what may be lost, as a share of the plain time.
        start: steps in the account at the beginning, for the first trials.
        most: steps that gains can pile up to. Without a ceiling, one good paragraph would pay for a long bad one.
    """

    def __init__(
        self,
        drafter: Drafter,
        curve: Callable[[int], float] = gentle_curve,
        *,
        share: float = 0.01,
        start: float = 0.75,
        most: float = 3.0,
    ) -> None:
        self.drafter, self.curve, self.share, self.most = drafter, curve, share, most
        self.start = self.account = start
        self.cost = drafter.cost

    def price(self, drafted: int) -> float:
        """Return what drafting and verifying ``drafted`` tokens costs on top of a plain step, in plain steps."""
        return drafted * self.cost + self.curve(drafted + 1) - 1 if drafted else 0.0

    def slowest(self, tokens: int) -> float:
        """Return the least speed-up of an answer of so many tokens, as far as the curve tells the truth."""
        return 1 / (1 + self.share + self.start / tokens)

    def propose(self, tokens: Sequence[int], longest: int, params: SamplingParams, chance: Chance) -> Draft:
        while longest and self.price(longest) > self.account:
            longest -= 1
        return self.drafter.propose(tokens, longest, params, chance) if longest else Draft()

    def observe(self, drafted: int, accepted: int) -> None:
        self.drafter.observe(drafted, accepted)
        gain = accepted - self.price(drafted) + self.share * (accepted + 1)
        self.account = min(self.most, self.account + gain)
