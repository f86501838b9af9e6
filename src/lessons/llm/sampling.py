"""From logits to the next token: greedy, or drawn at a temperature from the likeliest tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lessons.errors import LessonError


@dataclass(frozen=True)
class SamplingParams:
    """How the next token is chosen; the names are vLLM's.

    Attributes:
        temperature: logits are divided by it; 0 takes the likeliest token.
        top_k: only the k likeliest tokens may be drawn; 0 allows all.
        top_p: only the likeliest tokens may be drawn whose probabilities reach p together; 1 allows all.

    Raises:
        LessonError: for a value outside its range.

    Source:
        top-k: Fan et al. 2018, arXiv:1805.04833; top-p: Holtzman et al. 2020, arXiv:1904.09751.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise LessonError(
                f"temperature is {self.temperature}; it must be 0 (greedy) or a positive number"
            )
        if self.top_k < 0:
            raise LessonError(f"top_k is {self.top_k}; it must be 0 (all tokens) or a positive count")
        if not 0 < self.top_p <= 1:
            raise LessonError(f"top_p is {self.top_p}; it must be above 0 and at most 1 (all tokens)")

    @property
    def greedy(self) -> bool:
        return self.temperature == 0


def probabilities(logits: torch.Tensor, params: SamplingParams) -> torch.Tensor:
    """Return the distribution from which the next token is drawn.

    Args:
        logits: float [..., vocab].
        params: greedy gives the likeliest token, the first of equals, all of the probability.

    Returns:
        float32 [..., vocab]; each row sums to 1.
    """
    if params.greedy:
        return torch.zeros_like(logits, dtype=torch.float32).scatter_(
            -1, logits.argmax(-1, keepdim=True), 1.0
        )
    logits = logits.float() / params.temperature
    if 0 < params.top_k < logits.shape[-1]:
        least = logits.topk(params.top_k).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    probs = logits.softmax(-1)
    if params.top_p < 1:
        ordered, index = probs.sort(-1, descending=True)
        # A token stays when those before it have not reached p: the one that crosses the line stays too.
        ordered[ordered.cumsum(-1) - ordered >= params.top_p] = 0
        probs = torch.zeros_like(probs).scatter_(-1, index, ordered)
        probs /= probs.sum(-1, keepdim=True)
    return probs


def sample(logits: torch.Tensor, params: SamplingParams, chance: Chance) -> int:
    """Choose the next token.

    Args:
        logits: float [vocab].
        params: how to choose.
        chance: asked once, and not at all when greedy.
    """
    if params.greedy:
        return int(logits.argmax())
    return chance.draw(probabilities(logits, params))


class Chance:
    """The only source of randomness: two questions, so that a test can enumerate every answer.

    Args:
        generator: on the device of the probabilities; None for torch's global one.
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self.generator = generator

    @classmethod
    def seeded(cls, seed: int | None, device: str | torch.device = "cpu") -> Chance:
        """Return one with a generator of its own on a device; another each time where the seed is None.

        Raises:
            LessonError: for a seed of more than 64 bits.
        """
        if seed is not None and not -(2**63) <= seed < 2**64:
            raise LessonError(f"seed is {seed}; take a whole number of at most 64 bits")
        generator = torch.Generator(device)
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(seed)
        return cls(generator)

    def happens(self, probability: float) -> bool:
        """Return True with this probability; 1 or more always happens."""
        if probability >= 1:
            return True
        device = self.generator.device if self.generator else None
        # float64, since a float32 uniform is a multiple of 2^-24 and a tail token's probability may be less.
        return bool(
            torch.rand((), dtype=torch.float64, generator=self.generator, device=device) < probability
        )

    def draw(self, probs: torch.Tensor) -> int:
        """Return an index drawn from ``probs`` [vocab]."""
        return int(torch.multinomial(probs, 1, generator=self.generator))
