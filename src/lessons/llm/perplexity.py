"""How well a model foresees real text: the text is given, and each next token's probability is read off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from lessons.errors import LessonError
from lessons.llm.load import LLM
from lessons.llm.tokenizer import BPETokenizer
from lessons.units import Quantity


@dataclass(frozen=True)
class Score:
    """The surprise of each foreseen token.

    Attributes:
        nats: float32 [tokens], -log of the probability that the model gave to the token that came.
    """

    nats: torch.Tensor

    @property
    def perplexity(self) -> float:
        """The number of equally likely tokens that would have been as hard to foresee."""
        return math.exp(self.nats.double().mean().item())

    def added(self, base: Score) -> Quantity:
        """Return the nats a token that this model adds to ``base`` on the same text, with a 95 % interval.

        Both models met the same tokens, so the differences are taken token by token: how hard the text is falls
        out, and a few hundred tokens show what would take many thousands otherwise. The interval takes the tokens
        as independent, which neighbours are not quite.

        Raises:
            ValueError: when the two did not score the same number of tokens, or fewer than two.
        """
        if len(self.nats) != len(base.nats) or len(self.nats) < 2:
            raise ValueError(f"scores of {len(self.nats)} and {len(base.nats)} tokens cannot be compared")
        difference = (self.nats - base.nats).double()
        mean, n = difference.mean().item(), len(difference)
        half = 1.96 * difference.std().item() / math.sqrt(n)
        return Quantity(mean, "nats", mean - half, mean + half, n)


def windows(tokenizer: BPETokenizer, count: int, length: int, *, skip: int = 0) -> list[torch.Tensor]:
    """Return the beginnings of pages of Python's own reference, as tokens.

    Args:
        tokenizer: the model's.
        count: how many.
        length: tokens of each, at least 2.
        skip: pages to leave out first, for a second set that shares nothing with the first.

    Returns:
        ``count`` int64 tensors [length]. The pages are taken in the order of their names, those too short left out.

    Raises:
        LessonError: when there are not so many pages of that length, or the length is below 2.
    """
    from pydoc_data.topics import topics

    if length < 2:
        raise LessonError(f"a window of {length} tokens foresees nothing; take at least 2")
    found: list[torch.Tensor] = []
    for name in sorted(topics):
        # A token is rarely longer than 8 letters: the rest of a long page need not be encoded.
        ids = tokenizer.encode(topics[name][: 8 * length])[:length]
        if len(ids) == length:
            found.append(torch.tensor(ids))
        if len(found) == skip + count:
            return found[skip:]
    raise LessonError(f"only {len(found)} pages have {length} tokens, and {skip} + {count} are wanted")


@torch.inference_mode()
def score(llm: LLM, texts: Sequence[torch.Tensor], *, chunk: int | None = None) -> Score:
    """Let the model foresee each token of each text from those before it.

    Args:
        llm: the model.
        texts: int64 [n], n >= 2, each read with an empty cache.
        chunk: where None, all texts are one pass, and their logits lie in memory together. Else each text is read
            in passes of so many tokens: small ones take the path of decoding, which may do its arithmetic
            otherwise than a prompt's (packed weights).

    Returns:
        The surprise of every token but each text's first.
    """
    parts = []
    for group in [texts] if chunk is None else [[text] for text in texts]:
        caches = [llm.new_cache(len(text)) for text in group]
        longest = max(len(text) for text in group) - 1
        step = chunk or longest
        for first in range(0, longest, step):
            end = first + step
            logits = llm.model.forward_batch([text[:-1][first:end] for text in group], caches)
            following = torch.cat([text[1:][first:end] for text in group])
            parts.append(cross_entropy(logits, following.to(logits.device), reduction="none"))
    return Score(torch.cat(parts).cpu())
