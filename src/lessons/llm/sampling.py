"""From logits to the next token: greedy, or drawn at a temperature from the likeliest tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lessons.errors import LessonError
from lessons.llm.limits import MAX_SEED, MAX_TEMPERATURE, ONE_TOKEN, number, whole

NO_NUMBERS = (
    "the model's logits are not finite numbers, so no token is likelier than another: its file is damaged, or holds "
    "weights too large for float32; fetch it again"
)


@dataclass(frozen=True)
class SamplingParams:
    """How the next token is chosen; the names are vLLM's.

    Attributes:
        temperature: logits are divided by it; 0, or what is as good as 0, takes the likeliest token.
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
        number("temperature", self.temperature, MAX_TEMPERATURE, zero=True, remark="0 is greedy")
        whole("top_k", self.top_k, 0)
        number("top_p", self.top_p, 1, zero=False, remark="1 allows all tokens")

    @property
    def greedy(self) -> bool:
        return min(self.temperature, self.top_p) < ONE_TOKEN


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
    logits = logits.float() / float(params.temperature)
    if 0 < params.top_k < logits.shape[-1]:
        least = logits.topk(int(params.top_k)).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    probs = logits.softmax(-1)
    if params.top_p < 1:
        ordered, index = probs.sort(-1, descending=True)
        # A token stays when those before it have not reached p: the one that crosses the line stays too.
        ordered[ordered.cumsum(-1) - ordered >= float(params.top_p)] = 0
        probs = torch.zeros_like(probs).scatter_(-1, index, ordered)
        probs /= probs.sum(-1, keepdim=True)
    return probs


def sample(logits: torch.Tensor, params: SamplingParams, chance: Chance) -> int:
    """Choose the next token.

    Args:
        logits: float [vocab].
        params: how to choose.
        chance: asked once, and not at all when greedy.

    Raises:
        LessonError: when the logits are no numbers.
    """
    if params.greedy:
        return likeliest(logits[None])[0]
    return chance.draw(probabilities(logits, params))


def likeliest(logits: torch.Tensor) -> list[int]:
    """Return the likeliest token of each row, the first of equals.

    Args:
        logits: float [rows, vocab].

    Raises:
        LessonError: when the largest logit of a row is NaN, as it is where any is, or infinite.
    """
    best = logits.argmax(-1, keepdim=True)
    if not bool(logits.gather(-1, best).isfinite().all()):
        raise LessonError(NO_NUMBERS)
    return best[:, 0].tolist()


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
            LessonError: when the seed is no whole number from 0 to ``limits.MAX_SEED``.
        """
        generator = torch.Generator(device)
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(whole("seed", seed, 0, MAX_SEED))
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
        """Return an index drawn from ``probs`` [vocab].

        Raises:
            LessonError: when they are no probabilities.
        """
        if not 0 < float(probs.sum()) < float("inf"):  # a GPU would say so by ending all its work
            raise LessonError(NO_NUMBERS)
        return int(torch.multinomial(probs, 1, generator=self.generator))
